import Foundation
import StrataCore
import StrataProviders
import Testing

/// Tests which machines may be asked; what they answer is tested by those who ask.
@Suite("WebFetcher")
struct WebFetcherTests {
  @Test(
    "Addresses of this machine, of private networks and of no network are not public",
    arguments: [
      ([127, 0, 0, 1], false), ([10, 1, 2, 3], false), ([172, 16, 0, 1], false), ([172, 32, 0, 1], true),
      ([192, 168, 1, 1], false), ([169, 254, 169, 254], false), ([100, 64, 0, 1], false), ([0, 0, 0, 0], false),
      ([224, 0, 0, 1], false), ([255, 255, 255, 255], false), ([8, 8, 8, 8], true), ([198, 18, 0, 1], false),
      ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], false),
      ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 1], false),
      ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 8, 8, 8, 8], true),
      ([0xFE, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], false),
      ([0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], false),
      ([0x20, 0x01, 0x48, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0x88], true),
      ([0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0, 192, 168, 0, 1], false),
    ] as [([UInt8], Bool)])
  func addresses(_ bytes: [UInt8], _ isPublic: Bool) {
    #expect(HostAddress(bytes: bytes).isPublic == isPublic, "\(bytes)")
  }

  @Test("A host on this machine is refused by name and by number", arguments: ["localhost", "127.0.0.1", "[::1]"])
  func refused(_ host: String) async throws {
    let fetcher = WebFetcher(userAgent: "test")
    let error = await #expect(throws: ProviderError.self) {
      try await fetcher.get("http://\(host):9/", headers: [], byteLimit: 100)
    }
    #expect(error?.message.contains("private network") == true)
    for url in ["file:///etc/passwd", "nonsense", "http://"] {
      await #expect(throws: ProviderError.self) { try await fetcher.get(url, headers: [], byteLimit: 100) }
    }
    try await fetcher.shutdown()
  }
}
