// Owns what DOCX, XLSX and PPTX share (ECMA-376, part 2): parts, and relationships between them.

/// The XML parts of an office file.
struct OfficePackage {
  struct Relationship {
    /// The last word of the type's address, such as `slide`.
    var type: String
    var target: String
  }

  let path: String
  private let archive: ZipArchive

  init(_ bytes: [UInt8], path: String) throws {
    self.path = path
    // OLE: what Office wrote before 2007, and what it puts around files with a password.
    if bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
      let marker = "EncryptedPackage".utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
      if bytes.firstRange(of: marker) != nil { throw RetrievalError.passwordProtected(path: path) }
      throw RetrievalError.parserFailed(
        "The file is in the format of Office 97 to 2003.",
        remedy: "Save it as DOCX, XLSX or PPTX, for example with: soffice --convert-to docx FILE", path: path)
    }
    guard bytes.starts(with: [0x50, 0x4B]) else {
      throw RetrievalError.parserFailed(
        "The file is named like an Office document but is none.", remedy: "Give it its right extension.", path: path)
    }
    archive = try ZipArchive(bytes, path: path) { $0.hasSuffix(".xml") || $0.hasSuffix(".rels") }
  }

  func has(_ part: String) -> Bool { archive[part] != nil }

  func events(_ part: String) throws -> XMLEvents? {
    guard let bytes = archive[part] else { return nil }
    return try XMLEvents(bytes, path: path)
  }

  /// The part that everything starts from, by its relationship; where programs leave that out, by its usual name.
  func mainPart(default name: String) throws -> String {
    let root = try relationships(of: "").values.first { $0.type == "officeDocument" }?.target
    if let root, has(root) { return root }
    guard has(name) else {
      throw RetrievalError.parserFailed(
        "The file has no part \(name).", remedy: "Open it with the program that made it, and save it again.",
        path: path)
    }
    return name
  }

  /// By id. Targets outside the file are left out.
  func relationships(of part: String) throws -> [String: Relationship] {
    let folder = part.split(separator: "/").dropLast().joined(separator: "/")
    let name = part.split(separator: "/").last.map(String.init) ?? ""
    guard let events = try events((folder.isEmpty ? "" : folder + "/") + "_rels/" + name + ".rels") else { return [:] }
    var result: [String: Relationship] = [:]
    while let event = try events.next() {
      guard event == .start("Relationship"), let id = events.attribute("Id"), let target = events.attribute("Target"),
        events.attribute("TargetMode") != "External"
      else { continue }
      let type = events.attribute("Type")?.split(separator: "/").last.map(String.init) ?? ""
      result[id] = Relationship(type: type, target: Self.resolve(target, in: folder))
    }
    return result
  }

  private static func resolve(_ target: String, in folder: String) -> String {
    var parts = target.hasPrefix("/") ? [] : folder.split(separator: "/").map(String.init)
    for part in target.split(separator: "/") {
      if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
    }
    return parts.joined(separator: "/")
  }

  /// What the file says of itself: its title, and the rest under names of their own.
  func properties() throws -> (title: String?, metadata: [(name: String, value: String?)]) {
    let names = [
      "creator": "author", "subject": "subject", "keywords": "keywords", "category": "category", "language": "language",
      "created": "created", "modified": "modified",
    ]
    var title: String?
    var metadata: [(name: String, value: String?)] = []
    guard let events = try events("docProps/core.xml") else { return (nil, []) }
    while let event = try events.next() {
      guard case .start(let element) = event else { continue }
      if element == "title" {
        let text = CanonicalTextWriter.onOneLine(try events.text())
        title = text.isEmpty ? nil : text
      } else if let name = names[element] {
        metadata.append((name, try events.text()))
      }
    }
    return (title, metadata)
  }
}
