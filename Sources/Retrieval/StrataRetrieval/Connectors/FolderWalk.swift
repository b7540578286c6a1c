// Owns finding the files of a folder, in an order that is always the same. Knows nothing about what they hold.
import Foundation
import StrataCore

/// One regular file below the folder.
struct WalkedFile: Sendable, Hashable {
  /// Relative to the folder, with `/`.
  var path: String
  var stamp: FileStamp
}

/// What a walk found.
struct FolderWalk: Sendable {
  /// Sorted by path, byte by byte.
  var files: [WalkedFile] = []
  /// Entries that are no documents for a reason worth telling, by path.
  var skipped: [(path: String, reason: String)] = []
  /// Folders that could not be listed: what was below them before may still be there.
  var unreadable: [(path: String, reason: String)] = []

  private static let depthLimit = 64

  /// Symbolic links are not followed: what they lead to may lie outside, or under rules of another path. Hidden files
  /// and folders are passed over.
  /// - Throws: ``RetrievalError`` when `folder` itself cannot be listed.
  init(folder: String) throws {
    var pending: [(path: String, depth: Int)] = [("", 0)]
    while let (path, depth) = pending.popLast() {
      try Task.checkCancellation()
      let entries: [Result<String, NameError>]
      switch Self.list(path.isEmpty ? folder : "\(folder)/\(path)") {
      case .success(let names): entries = names
      case .failure(let error):
        if path.isEmpty { throw RetrievalError.unreadableFolder(folder, reason: error.reason) }
        unreadable.append((path, error.reason))
        continue
      }
      for entry in entries {
        switch entry {
        case .failure(let error): skipped.append((path.isEmpty ? error.shown : "\(path)/\(error.shown)", error.reason))
        case .success(let name) where !name.hasPrefix("."):
          visit(path.isEmpty ? name : "\(path)/\(name)", in: folder, depth: depth, &pending)
        case .success(let name):
          if name == AccessPolicy.fileName, !path.isEmpty {
            skipped.append(("\(path)/\(name)", "only the access file at the top of the folder counts"))
          }
        }
      }
    }
    files.sort { Array($0.path.utf8).lexicographicallyPrecedes(Array($1.path.utf8)) }
    skipped.sort { $0.path < $1.path }
  }

  private mutating func visit(
    _ path: String, in folder: String, depth: Int, _ pending: inout [(path: String, depth: Int)]
  ) {
    var status = stat()
    guard lstat("\(folder)/\(path)", &status) == 0 else {
      // Gone between listing and looking: as if it had never been there.
      if errno != ENOENT { skipped.append((path, String(cString: strerror(errno)))) }
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: files.append(WalkedFile(path: path, stamp: FileStamp(status)))
    case S_IFDIR:
      if depth < Self.depthLimit {
        pending.append((path, depth + 1))
      } else {
        unreadable.append((path, "folders are nested more than \(Self.depthLimit) deep"))
      }
    case S_IFLNK: skipped.append((path, "a symbolic link"))
    default: skipped.append((path, "no regular file"))
    }
  }

  private struct ListError: Error { var reason: String }
  private struct NameError: Error {
    var shown: String
    var reason: String
  }

  private static func list(_ path: String) -> Result<[Result<String, NameError>], ListError> {
    guard let directory = opendir(path) else {
      return .failure(ListError(reason: String(cString: strerror(errno))))
    }
    defer { closedir(directory) }
    var names: [Result<String, NameError>] = []
    while let entry = readdir(directory) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if bytes == [46] || bytes == [46, 46] { continue }
      if let name = String(validating: bytes, as: UTF8.self) {
        names.append(.success(name))
      } else {
        names.append(
          .failure(NameError(shown: String(decoding: bytes, as: UTF8.self), reason: "its name is not UTF-8")))
      }
    }
    return .success(names)
  }
}
