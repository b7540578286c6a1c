// Owns a folder of files as a source. What the files say is the loaders' business.
import Foundation
import StrataCore

/// The regular files below a folder that have a known type, without hidden ones and symbolic links.
///
/// Unchanged files are told by size, time and inode, without opening them.
public struct FolderConnector: Connector {
  public let kind = "folder"
  public let key: String
  /// Absolute, without symbolic links.
  public let folder: String
  private let reader: FileReader
  private let readers: [Reader]?
  private let now: @Sendable () -> Date

  public var uri: String { "file://\(folder)" }

  /// - Parameters:
  ///   - key: begins the paths of the documents; a collection has one folder for each.
  ///   - readers: who may read everything, when the folder has no access file.
  /// - Throws: ``RetrievalError`` when there is no such folder.
  public init(
    _ folder: String, key: String = "", readers: [Reader]? = nil, fileByteLimit: Int = 64 << 20,
    now: @escaping @Sendable () -> Date = { Date() }
  ) throws {
    guard let root = realpath(folder, nil) else {
      throw RetrievalError.unreadableFolder(folder, reason: String(cString: strerror(errno)))
    }
    defer { free(root) }
    self.folder = String(cString: root)
    self.key = key
    self.readers = readers
    self.now = now
    reader = FileReader(byteLimit: fileByteLimit)
  }

  public func accessPolicy() throws -> AccessPolicy? {
    try AccessPolicy.load(folder: folder) ?? readers.map { AccessPolicy(rules: [AccessPolicy.Rule("**", readers: $0)]) }
  }

  public func list(since cursor: String?) throws -> SourceListing? {
    let walk = try FolderWalk(folder: folder)
    var listing = SourceListing()
    listing.skipped = walk.skipped.map { IngestReport.Skipped(path: $0.path, reason: $0.reason) }
    listing.skipped += walk.unreadable.map {
      IngestReport.Skipped(path: $0.path, reason: "the folder cannot be listed: \($0.reason)")
    }
    listing.unlisted = walk.unreadable.map { key + $0.path }
    for file in walk.files {
      guard DocumentFormat(path: file.path, in: folder) != nil else {
        listing.skipped.append(
          IngestReport.Skipped(path: file.path, reason: "files of this type are not ingested"))
        continue
      }
      listing.items.append(
        SourceItem(
          path: key + file.path, locator: file.path, stamp: file.stamp.text, byteCount: file.stamp.byteCount))
    }
    return listing
  }

  public func fetch(_ items: [SourceItem]) -> [Result<FetchedItem, any Error>] {
    items.map { item in
      Result {
        guard let format = DocumentFormat(path: item.locator, in: folder) else {
          throw RetrievalError.unsupportedType(item.path)
        }
        let file = try reader.read("\(folder)/\(item.locator)")
        // A file that was written just now may be written again within the same tick of its clock.
        let isSettled = abs(now().timeIntervalSince(file.stamp.modifiedAt)) > 2
        return .content(
          SourceContent(
            bytes: file.bytes, format: format, stamp: isSettled ? file.stamp.text : nil,
            origin: "\(uri)/\(item.locator)", modifiedAt: file.stamp.modifiedAt))
      }
    }
  }
}

extension FileStamp {
  /// What is kept to know the file again.
  var text: String { "\(byteCount):\(modifiedNanoseconds):\(inode)" }
}
