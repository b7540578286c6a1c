// Owns getting pages of sites that somebody names. Decides which machines may be asked; knows nothing about pages.
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import StrataCore
import Synchronization

/// Gets pages from public machines.
///
/// A host is looked up once and connected to by the address that was checked, so that a name cannot lead to a private
/// machine by answering differently the second time (DNS rebinding).
public final class WebFetcher: HTTPFetcher {
  private let clients = Mutex<[String: HTTPClient]>([:])
  private let allowsPrivateAddresses: Bool
  private let userAgent: String
  private let timeout: Duration

  /// - Parameters:
  ///   - allowsPrivateAddresses: also machines of this network, this one included.
  ///   - timeout: for one page, from the request to the end of its body.
  public init(userAgent: String, allowsPrivateAddresses: Bool = false, timeout: Duration = .seconds(30)) {
    self.userAgent = userAgent
    self.allowsPrivateAddresses = allowsPrivateAddresses
    self.timeout = timeout
  }

  public func shutdown() async throws {
    for client in clients.withLock({ Array($0.values) }) { try await client.shutdown() }
  }

  public func get(_ url: String, headers: [(String, String)], byteLimit: Int) async throws -> HTTPReply {
    guard let parsed = URL(string: url), let scheme = parsed.scheme?.lowercased(), ["http", "https"].contains(scheme),
      let host = parsed.host, !host.isEmpty
    else { throw ProviderError(ProviderError.unreachable, "`\(url)` is no http or https address.") }
    var request = HTTPClientRequest(url: url)
    request.headers.add(name: "User-Agent", value: userAgent)
    for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
    do {
      let client = try await client(for: host)
      let response = try await client.execute(request, timeout: .nanoseconds(Int64(timeout / .nanoseconds(1))))
      var found: [String: String] = [:]
      for header in response.headers { found[header.name.lowercased()] = header.value }
      var body: [UInt8] = []
      for try await buffer in response.body {
        body.append(contentsOf: buffer.readableBytesView)
        guard body.count <= byteLimit else {
          throw ProviderError(ProviderError.unreachable, "The page \(url) has more than \(byteLimit) bytes.")
        }
      }
      return HTTPReply(status: Int(response.status.code), headers: found, body: body)
    } catch let error as ProviderError {
      throw error
    } catch let error as CancellationError {
      throw error
    } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
      throw ProviderError(ProviderError.timeout, "The server at \(host) did not answer in time.")
    } catch {
      throw ProviderError(
        ProviderError.unreachable, "The server at \(host) cannot be reached.",
        remedy: "Check the address, and that it runs.", cause: error)
    }
  }

  private func client(for host: String) async throws -> HTTPClient {
    if let client = clients.withLock({ $0[host] }) { return client }
    let address = try await address(of: host)
    return clients.withLock { clients in
      if let client = clients[host] { return client }
      var configuration = HTTPClient.Configuration.singletonConfiguration
      configuration.timeout.connect = .seconds(10)
      configuration.redirectConfiguration = .disallow
      configuration.decompression = .enabled(limit: .ratio(200))
      configuration.dnsOverride = [host: address]
      let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
      clients[host] = client
      return client
    }
  }

  /// The first address of `host`, if all of them may be asked.
  private func address(of host: String) async throws -> String {
    let found = await withCheckedContinuation { continuation in
      // Looking up blocks a thread.
      DispatchQueue.global(qos: .utility).async { continuation.resume(returning: Self.lookUp(host)) }
    }
    guard let first = found.first else {
      throw ProviderError(
        ProviderError.unreachable, "There is no host \(host).", remedy: "Check the address and the network.")
    }
    if !allowsPrivateAddresses, let inner = found.first(where: { !$0.isPublic }) {
      throw ProviderError(
        ProviderError.unreachable, "The host \(host) is on a private network (\(inner.text)).",
        remedy: "Allow that with --private if the site may be read.")
    }
    return first.text
  }

  private static func lookUp(_ host: String) -> [HostAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let name = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var addresses: [HostAddress] = []
    var next = list
    while let entry = next {
      if let address = HostAddress(entry.pointee) { addresses.append(address) }
      next = entry.pointee.ai_next
    }
    return addresses
  }
}

/// An IP address, and whether it belongs to a machine that everybody can reach.
package struct HostAddress: Sendable, Hashable {
  /// 4 or 16.
  package let bytes: [UInt8]

  init?(_ entry: addrinfo) {
    switch entry.ai_family {
    case AF_INET:
      bytes = entry.ai_addr.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
        withUnsafeBytes(of: pointer.pointee.sin_addr) { Array($0) }
      }
    case AF_INET6:
      bytes = entry.ai_addr.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
        withUnsafeBytes(of: pointer.pointee.sin6_addr) { Array($0) }
      }
    default: return nil
    }
  }

  package init(bytes: [UInt8]) { self.bytes = bytes }

  var text: String {
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    let groups = stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    return groups.map { String($0, radix: 16) }.joined(separator: ":")
  }

  /// False for the ranges of the IANA special-purpose registries (RFC 6890) that are not globally reachable.
  package var isPublic: Bool {
    if bytes.count == 16 {
      let prefix = bytes.prefix(12)
      // An IPv4 address in IPv6 clothing: mapped (::ffff:0:0/96), compatible (::/96) or translated (64:ff9b::/96).
      if prefix.elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) || prefix.allSatisfy({ $0 == 0 })
        || prefix.elementsEqual([0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0])
      {
        return HostAddress(bytes: Array(bytes.suffix(4))).isPublic
      }
      // Global unicast is 2000::/3; 2001:db8::/32 and 2002::/16 (6to4) are not for connecting to.
      return bytes[0] & 0xE0 == 0x20 && !bytes.starts(with: [0x20, 0x01, 0x0D, 0xB8])
        && !bytes.starts(with: [0x20, 0x02])
    }
    guard bytes.count == 4 else { return false }
    switch (bytes[0], bytes[1], bytes[2]) {
    case (0, _, _), (10, _, _), (127, _, _), (100, 64...127, _), (169, 254, _), (172, 16...31, _), (192, 168, _),
      (192, 0, 0), (192, 0, 2), (198, 18...19, _), (198, 51, 100), (203, 0, 113), (224..., _, _):
      return false
    default: return true
    }
  }
}
