import StrataCore
import StrataRetrieval
import Testing

@Suite("Filter process")
struct FilterProcessTests {
  @Test("megabytes go in and come out")
  func roundTrip() async {
    let input = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    guard
      case .finished(let output, _, let status) = await FilterProcess(program: "cat", arguments: []).run(input: input)
    else {
      Issue.record("cat did not finish")
      return
    }
    #expect(output == input && status == 0)
  }

  @Test("a program that ignores its input, or dies, is no harm")
  func earlyExit() async {
    let input = [UInt8](repeating: 65, count: 1_000_000)
    guard case .finished(_, _, let status) = await FilterProcess(program: "false", arguments: []).run(input: input)
    else {
      Issue.record("false did not finish")
      return
    }
    #expect(status == 1)
    let missing = await FilterProcess(program: "no-such-program", arguments: []).run(input: [])
    #expect({ if case .notInstalled = missing { true } else { false } }())
  }

  @Test("time, output and cancellation are bounds")
  func bounds() async {
    let start = ContinuousClock.now
    var slow = FilterProcess(program: "sleep", arguments: ["900"])
    slow.timeout = .milliseconds(300)
    #expect({ if case .timedOut = $0 { true } else { false } }(await slow.run(input: [])))
    var endless = FilterProcess(program: "yes", arguments: [])
    endless.outputByteLimit = 100_000
    #expect({ if case .tooMuchOutput = $0 { true } else { false } }(await endless.run(input: [])))
    let task = Task { await FilterProcess(program: "sleep", arguments: ["900"]).run(input: []) }
    try? await Task.sleep(for: .milliseconds(200))
    task.cancel()
    #expect({ if case .cancelled = $0 { true } else { false } }(await task.value))
    // Far less than either sleep, with room for a machine that runs the whole suite at once.
    #expect(.now - start < .seconds(450))
  }
}
