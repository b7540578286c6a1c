// Owns running a filter program: bytes in, bytes out, within bounds of time, memory and output.
import Foundation
import StrataCore
import Synchronization

/// A program that reads its standard input and writes its standard output, stopped when it exceeds a bound.
package struct FilterProcess: Sendable {
  package enum Outcome: Sendable {
    case finished(output: [UInt8], errors: String, status: Int32)
    case timedOut
    case tooMuchOutput
    case cancelled
    case notInstalled
    case failedToStart(String)
  }

  package var program: String
  package var arguments: [String]
  package var timeout: Duration = .seconds(60)
  package var outputByteLimit = 256 << 20
  package var memoryByteLimit = 2 << 30

  package init(program: String, arguments: [String]) {
    self.program = program
    self.arguments = arguments
  }

  package func run(input: [UInt8]) async -> Outcome {
    let cancelled = CancellationFlag()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        // The wait blocks a thread, which the cooperative pool has too few of.
        DispatchQueue.global(qos: .utility).async {
          continuation.resume(returning: runBlocking(input: input, cancelled: cancelled))
        }
      }
    } onCancel: {
      cancelled.set()
    }
  }

  private final class CancellationFlag: Sendable {
    private let value = Atomic<Bool>(false)
    func set() { value.store(true, ordering: .relaxed) }
    var isSet: Bool { value.load(ordering: .relaxed) }
  }

  private static func find(_ program: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
  }

  private func runBlocking(input: [UInt8], cancelled: CancellationFlag) -> Outcome {
    guard let executable = Self.find(program) else { return .notInstalled }
    var command = [executable] + arguments
    if let limiter = Self.find("prlimit") {
      command = [limiter, "--as=\(memoryByteLimit)", "--cpu=\(timeout.components.seconds + 1)", "--core=0"] + command
    }
    // Sockets and not pipes: writing to a reader that has gone gives an error instead of a signal.
    var inputPair: [Int32] = [-1, -1]
    var outputPair: [Int32] = [-1, -1]
    var errorPair: [Int32] = [-1, -1]
    defer { for file in inputPair + outputPair + errorPair where file >= 0 { close(file) } }
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &inputPair) == 0, socketpair(AF_UNIX, kind, 0, &outputPair) == 0,
      socketpair(AF_UNIX, kind, 0, &errorPair) == 0
    else { return .failedToStart(String(cString: strerror(errno))) }

    var child: pid_t = 0
    let status = Self.spawn(command, files: [inputPair[1], outputPair[1], errorPair[1]], child: &child)
    guard status == 0 else { return .failedToStart(String(cString: strerror(status))) }
    close(inputPair[1])
    close(outputPair[1])
    close(errorPair[1])
    inputPair[1] = -1
    outputPair[1] = -1
    errorPair[1] = -1

    var exchange = Exchange(input: input, files: (inputPair[0], outputPair[0], errorPair[0]))
    let stopped = exchange.run(
      deadline: .now + timeout, outputByteLimit: outputByteLimit, isCancelled: { cancelled.isSet })
    inputPair[0] = exchange.inputFile
    if stopped != nil { kill(child, SIGKILL) }
    var exit: Int32 = 0
    while waitpid(child, &exit, 0) < 0, errno == EINTR {}
    if let stopped { return stopped }
    let code = exit & 0x7F == 0 ? exit >> 8 & 0xFF : 128 + exit & 0x7F
    return .finished(
      output: exchange.output, errors: String(decoding: exchange.errors, as: UTF8.self), status: code)
  }

  private static func spawn(_ command: [String], files: [Int32], child: inout pid_t) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (target, file) in files.enumerated() { posix_spawn_file_actions_adddup2(&actions, file, Int32(target)) }
    let words = Self.nullTerminated(command)
    let environment = Self.nullTerminated(["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"])
    defer { for word in words + environment { free(word) } }
    return posix_spawn(&child, command[0], &actions, nil, words, environment)
  }

  private static func nullTerminated(_ words: [String]) -> [UnsafeMutablePointer<CChar>?] {
    var copies: [UnsafeMutablePointer<CChar>?] = []
    for word in words { copies.append(word.withCString { strdup($0) }) }
    copies.append(nil)
    return copies
  }

  /// Writes the input and reads both outputs at the same time, so that neither side waits for the other.
  private struct Exchange {
    let input: [UInt8]
    var files: (input: Int32, output: Int32, errors: Int32)
    var inputFile: Int32 { files.input }
    var written = 0
    var output: [UInt8] = []
    var errors: [UInt8] = []

    init(input: [UInt8], files: (Int32, Int32, Int32)) {
      self.input = input
      self.files = files
    }

    /// - Returns: why it was stopped, nil when both outputs ended.
    mutating func run(
      deadline: ContinuousClock.Instant, outputByteLimit: Int, isCancelled: () -> Bool
    ) -> Outcome? {
      var outputOpen = true
      var errorsOpen = true
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      closeInputIfDone()
      while outputOpen || errorsOpen {
        if isCancelled() { return .cancelled }
        if ContinuousClock.now >= deadline { return .timedOut }
        var polled = [
          pollfd(fd: files.input, events: Int16(POLLOUT), revents: 0),
          pollfd(fd: outputOpen ? files.output : -1, events: Int16(POLLIN), revents: 0),
          pollfd(fd: errorsOpen ? files.errors : -1, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&polled, 3, 100) > 0 else { continue }
        if polled[0].revents != 0 { write() }
        if polled[1].revents != 0 { outputOpen = read(files.output, into: &output, &buffer) }
        if polled[2].revents != 0 {
          errorsOpen = read(files.errors, into: &errors, &buffer)
          if errors.count > 1 << 16 { errors.removeLast(errors.count - (1 << 16)) }
        }
        if output.count > outputByteLimit { return .tooMuchOutput }
      }
      return nil
    }

    private mutating func write() {
      let count = input.withUnsafeBytes { buffer in
        send(
          files.input, buffer.baseAddress?.advanced(by: written), buffer.count - written,
          Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
      }
      if count > 0 {
        written += count
      } else if count < 0, errno != EAGAIN, errno != EINTR {
        // The program has read enough; what it says about that is in its outputs.
        written = input.count
      }
      closeInputIfDone()
    }

    private mutating func closeInputIfDone() {
      guard written == input.count, files.input >= 0 else { return }
      close(files.input)
      files.input = -1
    }

    private func read(_ file: Int32, into bytes: inout [UInt8], _ buffer: inout [UInt8]) -> Bool {
      let count = Foundation.read(file, &buffer, buffer.count)
      if count > 0 { bytes.append(contentsOf: buffer[..<count]) }
      return count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN))
    }
  }
}
