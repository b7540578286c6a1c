// Owns the endpoints that load and unload adapters, in the shape of vLLM's. Knows models by protocol only.
import Foundation
import Hummingbird
import StrataCore

struct AdapterRoutes: Sendable {
  let catalog: ModelCatalog
  let limits: ServerLimits
  /// Files outside this folder are not read; nil: none are.
  let folder: String?

  var routes: [Route] {
    [
      Route(.get, "/v1/lora_adapters", .administrator) { _, _ in
        .json(["object": "list", "data": .array(catalog.adapterHosts.flatMap(entries))])
      },
      Route(.post, "/v1/load_lora_adapter", .administrator) { request, _ in
        let reader = ParameterReader(try await RequestBodyReader.object(of: request, limits: limits))
        let name = try reader.require("lora_name", try reader.string("lora_name"))
        let path = try allowed(try reader.require("lora_path", try reader.string("lora_path")))
        let replaces = try reader.bool("load_inplace") ?? false
        let host = try host(try reader.string("base_model_name"))
        do {
          try await host.loadAdapter(name, from: path, replaces: replaces)
        } catch let error as any StrataError where error.code.kind == .corrupted {
          // The file is the caller's choice, so what is wrong with it is the caller's to know.
          throw ServerError(
            .invalidParameter, error.message, parameter: "lora_path", remedy: error.remedy, cause: error)
        }
        return .text("Success: LoRA adapter '\(name)' added successfully.")
      },
      Route(.post, "/v1/unload_lora_adapter", .administrator) { request, _ in
        let reader = ParameterReader(try await RequestBodyReader.object(of: request, limits: limits))
        let name = try reader.require("lora_name", try reader.string("lora_name"))
        let base = try reader.string("base_model_name")
        let hosts = catalog.adapterHosts.filter { base == nil || $0.info.id == base }
        guard let host = hosts.first(where: { $0.adapters.contains { $0.name == name } }) else {
          throw ServerError(
            .resourceNotFound, "The adapter `\(name.prefix(200))` is not loaded.", parameter: "lora_name")
        }
        try host.unloadAdapter(name)
        return .text("Success: LoRA adapter '\(name)' removed successfully.")
      },
    ]
  }

  private func entries(_ host: any AdapterHost) -> [JSON] {
    host.adapters.map { adapter in
      [
        "id": .string("\(host.info.id):\(adapter.name)"), "name": .string(adapter.name),
        "parent": .string(host.info.id), "root": .string(adapter.path), "in_memory": .bool(adapter.isInMemory),
        "bytes": .int(adapter.byteCount), "ranks": .array(adapter.ranks.map(JSON.int)),
        "running": .int(adapter.useCount),
      ]
    }
  }

  /// The model that the adapter is for: the named one, or the only one there is.
  private func host(_ name: String?) throws -> any AdapterHost {
    let hosts = catalog.adapterHosts
    if let name {
      guard let host = hosts.first(where: { $0.info.id == name }) else {
        throw ServerError(
          .modelNotFound, "The model `\(name.prefix(200))` does not take adapters, or does not exist.",
          parameter: "base_model_name")
      }
      return host
    }
    guard hosts.count == 1 else {
      throw ServerError(
        .missingParameter, "\(hosts.count) models take adapters.", parameter: "base_model_name",
        remedy: "Name one of: \(hosts.map(\.info.id).joined(separator: ", ")).")
    }
    return hosts[0]
  }

  /// The real path of what the client names, which must lie in the folder that the operator chose: the server can read
  /// more files than its clients may.
  private func allowed(_ path: String) throws -> String {
    guard let folder else {
      throw ServerError(
        .adapterPathForbidden, "This server loads adapters only at its start.", parameter: "lora_path",
        remedy: "Start it with --adapter-folder FOLDER.")
    }
    let root = URL(fileURLWithPath: folder).resolvingSymlinksInPath().standardizedFileURL.path
    let target = URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: root, isDirectory: true))
      .resolvingSymlinksInPath().standardizedFileURL.path
    guard target.hasPrefix(root.hasSuffix("/") ? root : root + "/"), !path.contains("\0") else {
      throw ServerError(
        .adapterPathForbidden, "`lora_path` is not in the folder of adapters.", parameter: "lora_path",
        remedy: "Give a path inside the folder that the server was started with.")
    }
    return target
  }
}
