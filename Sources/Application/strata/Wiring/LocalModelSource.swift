// Owns bringing models into memory while the server runs: those of the catalog that are here, and those named at start.
import Foundation
import StrataCore
import StrataModel
import StrataServer

/// The models of this machine.
struct LocalModelSource: ModelSource {
  let wiring: Wiring
  let pool: ComputePool
  /// Ids of the models that were named at the start.
  let more: [String]
  /// What each of them was called.
  private let given: [String: String]

  /// - Throws: ``CommandError`` when one of `names` is not here.
  init(wiring: Wiring, pool: ComputePool, more names: [String]) throws {
    self.wiring = wiring
    self.pool = pool
    var given: [String: String] = [:]
    var ids: [String] = []
    for name in names {
      let id = try wiring.modelStore.decoderPath(name).id
      if given.updateValue(name, forKey: id) == nil { ids.append(id) }
    }
    self.given = given
    more = ids
  }

  func names() -> [String] {
    let present = wiring.catalog.models.filter { $0.kind == .decoder && wiring.modelStore.isPresent($0) }.map(\.name)
    return more + present.filter { given[$0] == nil }
  }

  func load(_ name: String) async throws -> LoadedModel {
    // Reading a file blocks for seconds, so it has a thread of its own.
    let model = try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(with: Result { try wiring.model(given[name] ?? name, pool: pool) })
      }
    }
    return LoadedModel(model) { model.stop() }
  }
}
