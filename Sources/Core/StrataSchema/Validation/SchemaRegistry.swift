// Owns schema documents, the identifiers inside them, and what a reference means. Compiles nothing.

import StrataCore

/// A place in a document: the document's number and a JSON pointer from its root.
struct SchemaLocation: Hashable, Sendable {
  var document: Int
  var pointer: String

  func child(_ token: String) -> SchemaLocation {
    SchemaLocation(document: document, pointer: JSONPointer.appending(token, to: pointer))
  }
  func child(_ keyword: String, _ token: String) -> SchemaLocation { child(keyword).child(token) }
}

/// A schema with its own URI: a document's root, or a subschema with `$id`.
struct SchemaResource: Sendable {
  var uri: String
  var location: SchemaLocation
  var dialect: SchemaDialect
  var anchors: [String: SchemaLocation] = [:]
  var dynamicAnchors: [String: SchemaLocation] = [:]
}

struct SchemaRegistry: Sendable {
  /// Schemas inside schemas beyond this are refused.
  static let depthLimit = 256

  private(set) var documents: [JSON] = []
  private(set) var documentURIs: [String] = []
  private(set) var resources: [SchemaResource] = []
  private var resourceByURI: [String: Int] = [:]
  /// Every schema that the scan met, with the resource that it belongs to.
  private var resourceOf: [SchemaLocation: Int] = [:]
  private var external: [String: JSON] = [:]
  private let defaultDialect: SchemaDialect

  init(root: JSON, resources: [String: JSON], defaultDialect: SchemaDialect) throws(SchemaError) {
    self.defaultDialect = defaultDialect
    for (uri, schema) in resources { external[URIReference(uri).document] = schema }
    _ = try addDocument(root, uri: "")
  }

  private mutating func addDocument(_ schema: JSON, uri: String) throws(SchemaError) -> Int {
    let document = documents.count
    documents.append(schema)
    documentURIs.append(uri)
    let location = SchemaLocation(document: document, pointer: "")
    let resource = resources.count
    let dialect = try dialect(of: schema, inherited: defaultDialect)
    resources.append(SchemaResource(uri: uri, location: location, dialect: dialect))
    resourceByURI[uri] = resource
    try scan(schema, at: location, resource: resource, depth: 0)
    return resource
  }

  private mutating func dialect(of schema: JSON, inherited: SchemaDialect) throws(SchemaError) -> SchemaDialect {
    guard let uri = schema["$schema"]?.stringValue else { return inherited }
    if let known = SchemaDialect(uri: uri) { return known }
    guard let meta = external[URIReference(uri).document] else { return inherited }
    let base = meta["$schema"]?.stringValue.flatMap(SchemaDialect.init(uri:)) ?? inherited
    return SchemaDialect(metaSchema: meta, base: base)
  }

  private mutating func scan(
    _ schema: JSON, at location: SchemaLocation, resource enclosing: Int, depth: Int
  ) throws(SchemaError) {
    guard depth < SchemaRegistry.depthLimit else {
      throw SchemaError(
        SchemaError.tooLarge, "The schema is nested more than \(SchemaRegistry.depthLimit) levels deep.",
        remedy: "Move inner schemas to `$defs` and refer to them.", location: name(location))
    }
    guard case .object(let members) = schema else {
      resourceOf[location] = enclosing
      return
    }
    let resource = try identify(schema, members, at: location, enclosing: enclosing)
    resourceOf[location] = resource
    for (keyword, value) in members {
      switch value {
      case .object(let children) where SchemaChildren.map.contains(keyword):
        for (key, child) in children where child.objectValue != nil || child.boolValue != nil {
          try scan(child, at: location.child(keyword, key), resource: resource, depth: depth + 1)
        }
      case .array(let children) where SchemaChildren.list.contains(keyword):
        for (index, child) in children.enumerated() {
          try scan(child, at: location.child(keyword, String(index)), resource: resource, depth: depth + 1)
        }
      case .object where SchemaChildren.single.contains(keyword), .bool where SchemaChildren.single.contains(keyword):
        try scan(value, at: location.child(keyword), resource: resource, depth: depth + 1)
      default: break
      }
    }
  }

  /// Enters `$id` and anchors; answers the resource to which the schema belongs.
  private mutating func identify(
    _ schema: JSON, _ members: JSONObject, at location: SchemaLocation, enclosing: Int
  ) throws(SchemaError) -> Int {
    var resource = enclosing
    let own = try dialect(of: schema, inherited: resources[enclosing].dialect)
    let isHidden = own.referenceHidesSiblings && members["$ref"] != nil
    if let id = members["$id"]?.stringValue, !isHidden {
      let reference = URIReference(id)
      if own.draft <= .draft7, let fragment = reference.fragment, !fragment.isEmpty, reference.document.isEmpty {
        resources[resource].anchors[fragment] = location
      } else if !reference.document.isEmpty {
        let uri = reference.resolved(against: URIReference(resources[enclosing].uri)).document
        if location.pointer.isEmpty {
          resources[resource].uri = uri
        } else {
          resource = resources.count
          resources.append(SchemaResource(uri: uri, location: location, dialect: own))
        }
        resourceByURI[uri] = resource
      }
    }
    if own.draft >= .draft2019 {
      if let anchor = members["$anchor"]?.stringValue { resources[resource].anchors[anchor] = location }
      if own.draft == .draft2019, members["$recursiveAnchor"] == .bool(true) {
        resources[resource].dynamicAnchors[""] = location
      }
      if own.draft >= .draft2020, let anchor = members["$dynamicAnchor"]?.stringValue {
        resources[resource].anchors[anchor] = location
        resources[resource].dynamicAnchors[anchor] = location
      }
    }
    return resource
  }

  /// What a reference leads to.
  struct Target {
    var location: SchemaLocation
    var resource: Int
    /// The anchor's name, when the reference named a `$dynamicAnchor`.
    var dynamicAnchor: String?
  }

  mutating func resolve(_ reference: String, from resource: Int, at origin: SchemaLocation) throws(SchemaError)
    -> Target
  {
    let uri = URIReference(reference).resolved(against: URIReference(resources[resource].uri))
    guard let found = try find(uri.document) else {
      throw SchemaError(
        SchemaError.unresolvedReference, "`$ref` \"\(reference)\" leads to an unknown document.",
        remedy: "Pass the document in `resources` under the URI \(uri.document).", location: name(origin))
    }
    let fragment = (uri.fragment ?? "").percentDecoded
    if fragment.isEmpty {
      return Target(location: resources[found].location, resource: found, dynamicAnchor: nil)
    }
    if let tokens = fragment.hasPrefix("/") ? JSONPointer.tokens(fragment) : nil {
      return try follow(tokens, from: found, reference: reference, origin: origin)
    }
    guard let location = resources[found].anchors[fragment] else {
      throw SchemaError(
        SchemaError.unresolvedReference, "`$ref` \"\(reference)\" names an anchor that is not there.",
        location: name(origin))
    }
    let isDynamic = resources[found].dynamicAnchors[fragment] == location
    return Target(location: location, resource: found, dynamicAnchor: isDynamic ? fragment : nil)
  }

  private mutating func find(_ uri: String) throws(SchemaError) -> Int? {
    if let known = resourceByURI[uri] { return known }
    guard let document = external[uri] ?? MetaSchemas.document(uri) else { return nil }
    let resource = try addDocument(document, uri: uri)
    resourceByURI[uri] = resource
    return resource
  }

  private func follow(_ tokens: [String], from found: Int, reference: String, origin: SchemaLocation)
    throws(SchemaError) -> Target
  {
    var location = resources[found].location
    var resource = found
    guard var value = self.value(at: location) else { throw dangling(reference, origin) }
    for token in tokens {
      let next: JSON?
      switch value {
      case .object(let members): next = members[token]
      case .array(let elements):
        next = Int(token).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
      default: next = nil
      }
      guard let next else { throw dangling(reference, origin) }
      value = next
      location = location.child(token)
      if let own = resourceOf[location] { resource = own }
    }
    return Target(location: location, resource: resource, dynamicAnchor: nil)
  }

  private func dangling(_ reference: String, _ origin: SchemaLocation) -> SchemaError {
    SchemaError(
      SchemaError.unresolvedReference, "`$ref` \"\(reference)\" points to nothing.", location: name(origin))
  }

  /// The resource of a child schema of a schema in `parent`.
  func resource(of location: SchemaLocation, parent: Int) -> Int { resourceOf[location] ?? parent }

  func value(at location: SchemaLocation) -> JSON? {
    guard let tokens = JSONPointer.tokens(location.pointer) else { return nil }
    var value = documents[location.document]
    for token in tokens {
      switch value {
      case .object(let members):
        guard let next = members[token] else { return nil }
        value = next
      case .array(let elements):
        guard let index = Int(token), elements.indices.contains(index) else { return nil }
        value = elements[index]
      default: return nil
      }
    }
    return value
  }

  /// The location for messages.
  func name(_ location: SchemaLocation) -> String { documentURIs[location.document] + "#" + location.pointer }
}
