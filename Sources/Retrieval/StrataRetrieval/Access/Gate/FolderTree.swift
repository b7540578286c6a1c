// Owns the relations that paths imply: a document is in its folder, a folder in the one above. Knows nothing about who
// may read.
import Foundation
import StrataCore

/// How documents and folders are named in relations.
public enum DocumentObject {
  public static let documentType = "document"
  public static let folderType = "folder"

  /// `document:` and the path, in which spaces, `%`, `#`, `:` and `*` are percent-encoded.
  public static func document(_ path: String) -> RelationObject {
    RelationObject(type: documentType, id: encoded(path))
  }

  /// `folder:` and the path; the folder that holds everything is `folder:/`.
  public static func folder(_ path: String) -> RelationObject {
    RelationObject(type: folderType, id: path.isEmpty ? "/" : encoded(path))
  }

  public static func user(_ name: String) -> RelationObject { RelationObject(type: "user", id: encoded(name)) }
  public static func group(_ name: String) -> RelationObject { RelationObject(type: "group", id: encoded(name)) }

  /// The path of a document or folder; nil when the object is neither.
  public static func path(_ object: RelationObject) -> String? {
    [documentType, folderType].contains(object.type) ? object.id == "/" ? "" : path(object.id) : nil
  }

  static func encoded(_ path: String) -> String {
    guard !path.isEmpty else { return "%" }
    var result = ""
    for scalar in path.unicodeScalars {
      if scalar == "%" || scalar == "#" || scalar == ":" || scalar == "*" || scalar.value < 0x21
        || scalar.properties.isWhitespace
      {
        for byte in String(scalar).utf8 {
          let digits = String(byte, radix: 16, uppercase: true)
          result += "%" + (digits.count == 1 ? "0" + digits : digits)
        }
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The path that an id stands for; nil when it stands for none.
  static func path(_ id: String) -> String? { id.removingPercentEncoding }

  /// The folder of a document or folder; nil above the topmost.
  static func parent(ofPath path: String) -> String? {
    guard !path.isEmpty else { return nil }
    return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }
}

/// Adds to tuples that somebody wrote those that paths imply, as far as the model knows `parent`.
struct FolderTree: Sendable {
  private struct Node: Sendable {
    var documents: Set<String> = []
    var folders: Set<String> = []
  }

  /// Children by path of the folder; the topmost is "".
  private var nodes: [String: Node] = [:]

  init(_ paths: some Sequence<String>) { for path in paths { insert(path) } }

  private mutating func insert(_ path: String) {
    guard let folder = DocumentObject.parent(ofPath: path) else { return }
    nodes[folder, default: Node()].documents.insert(path)
    link(folder)
  }

  /// Adds a folder in which a tuple puts something, though no document's path may lead through it. Others are left out:
  /// what is in no folder of the tree cannot be reached through one.
  mutating func insert(_ folder: RelationObject) {
    guard folder.type == DocumentObject.folderType, folder.id != "/", let path = DocumentObject.path(folder.id) else {
      return
    }
    link(path)
  }

  /// Puts a folder into the one above, that one too, and so on.
  private mutating func link(_ path: String) {
    var folder = path
    while let above = DocumentObject.parent(ofPath: folder) {
      guard nodes[above, default: Node()].folders.insert(folder).inserted else { return }
      folder = above
    }
  }

  static let relation = "parent"

  /// What is directly in a folder.
  func contents(of folder: RelationObject) -> [RelationObject] {
    guard let path = folder.id == "/" ? "" : DocumentObject.path(folder.id), let node = nodes[path] else { return [] }
    return node.documents.map(DocumentObject.document) + node.folders.map(DocumentObject.folder)
  }

  static func parent(of object: RelationObject) -> RelationObject? {
    guard object.type == DocumentObject.documentType || object.type == DocumentObject.folderType, object.id != "/",
      let path = DocumentObject.path(object.id)
    else { return nil }
    return DocumentObject.parent(ofPath: path).map(DocumentObject.folder)
  }
}

/// Written tuples together with the implied ones.
struct FolderReader: RelationReader {
  let written: RelationGraph
  let tree: FolderTree

  private func implied(_ object: RelationObject, _ relation: String) -> RelationTuple? {
    guard relation == FolderTree.relation, let parent = FolderTree.parent(of: object) else { return nil }
    return RelationTuple(object, relation, .object(parent))
  }

  func tuple(_ object: RelationObject, _ relation: String, _ subject: RelationSubject) -> RelationTuple? {
    if let implied = implied(object, relation), implied.subject == subject { return implied }
    return written.tuple(object, relation, subject)
  }

  func usersets(of object: RelationObject, _ relation: String) -> [RelationTuple] {
    written.usersets(of: object, relation)
  }

  func objects(of object: RelationObject, _ relation: String) -> [RelationTuple] {
    let found = written.objects(of: object, relation)
    guard let implied = implied(object, relation) else { return found }
    return found.filter { $0.subject != implied.subject } + [implied]
  }

  func tuples(to subject: RelationSubject) -> [RelationTuple] {
    let found = written.tuples(to: subject)
    guard case .object(let folder) = subject, folder.type == DocumentObject.folderType else { return found }
    let implied = tree.contents(of: folder).map { RelationTuple($0, FolderTree.relation, subject) }
    let known = Set(implied)
    return found.filter { !known.contains($0.key) } + implied
  }
}
