// swift-tools-version: 6.2
import PackageDescription

let common: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
]

extension Target {
  /// A library target of a layer: `Sources/LAYER/NAME`.
  static func layer(
    _ layer: String, _ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource]? = nil
  ) -> Target {
    .target(
      name: name, dependencies: dependencies, path: "Sources/\(layer)/\(name)", resources: resources,
      swiftSettings: common)
  }

  /// Names every module that its files import: what is only reached through another is not built again when it changes.
  static func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
      name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests", exclude: exclude,
      swiftSettings: common)
  }
}

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "strata",
  products: [
    .executable(name: "strata", targets: ["strata"]),
    .library(name: "StrataCore", targets: ["StrataCore"]),
    .library(name: "StrataTelemetry", targets: ["StrataTelemetry"]),
    .library(name: "StrataSchema", targets: ["StrataSchema"]),
    .library(name: "StrataModel", targets: ["StrataModel"]),
    .library(name: "StrataServing", targets: ["StrataServing"]),
    .library(name: "StrataTraining", targets: ["StrataTraining"]),
    .library(name: "StrataProviders", targets: ["StrataProviders"]),
    .library(name: "StrataIndex", targets: ["StrataIndex"]),
    .library(name: "StrataRetrieval", targets: ["StrataRetrieval"]),
    .library(name: "StrataStore", targets: ["StrataStore"]),
    .library(name: "StrataAgents", targets: ["StrataAgents"]),
    .library(name: "StrataContracts", targets: ["StrataContracts"]),
    .library(name: "StrataServer", targets: ["StrataServer"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
    .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.7.0"),
    .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.30.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0", traits: []),
  ],
  targets: [
    // Core
    .systemLibrary(
      name: "CLibCrypto", path: "Sources/System/CLibCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .layer("Core", "StrataCore", [logging, "CLibCrypto"]),
    .layer("Core", "StrataSchema", ["StrataCore"]),
    .layer("Core", "StrataStore", ["StrataCore", grdb, sqlite]),
    .layer("Core", "StrataTelemetry", ["StrataCore", tracing]),

    // Layer 4
    .target(name: "CStrataKernels", path: "Sources/Model/CStrataKernels"),
    .layer("Model", "StrataModel", ["StrataCore", "CStrataKernels"]),
    .layer("Model", "StrataServing", ["StrataCore", "StrataSchema", "StrataModel"]),
    .layer("Model", "StrataTraining", ["StrataCore", "StrataModel"]),
    .layer("Model", "StrataProviders", ["StrataCore", asyncHTTPClient]),

    // Layer 3
    .target(name: "CICU", path: "Sources/System/CICU", linkerSettings: [.linkedLibrary("icuuc")]),
    .systemLibrary(
      name: "CLibStemmer", path: "Sources/System/CLibStemmer", providers: [.apt(["libstemmer-dev"])]),
    .layer("Retrieval", "StrataIndex", ["StrataCore", "CStrataKernels", "CICU", "CLibStemmer"]),
    .systemLibrary(
      name: "CLibXML2", path: "Sources/System/CLibXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
    .systemLibrary(
      name: "CCMarkGFM", path: "Sources/System/CCMarkGFM",
      providers: [.apt(["libcmark-gfm-dev", "libcmark-gfm-extensions-dev"])]),
    .systemLibrary(
      name: "CLibArchive", path: "Sources/System/CLibArchive", pkgConfig: "libarchive",
      providers: [.apt(["libarchive-dev"])]),
    .layer(
      "Retrieval", "StrataRetrieval",
      ["StrataCore", "StrataSchema", "StrataIndex", "CLibXML2", "CCMarkGFM", "CLibArchive", yams],
      resources: [.embedInCode("Search/query.schema.json"), .embedInCode("Grounding/Resources")]),

    // Layer 2
    .layer("Orchestration", "StrataAgents", ["StrataCore", "StrataSchema"]),

    // Layer 1
    .layer("Application", "StrataContracts", ["StrataCore", "StrataSchema", yams]),
    .layer("Application", "StrataEvaluation", ["StrataCore", "StrataContracts", yams]),
    .target(
      name: "StrataServer",
      dependencies: ["StrataCore", "StrataTelemetry", hummingbird, logging],
      path: "Sources/Application/StrataServer", resources: [.embedInCode("Page")], swiftSettings: common),
    .systemLibrary(name: "CMalloc", path: "Sources/System/CMalloc"),
    .executableTarget(
      name: "strata",
      dependencies: [
        "StrataCore", "StrataSchema", "StrataStore", "StrataModel", "StrataServing", "StrataTraining", "StrataIndex",
        "StrataRetrieval", "StrataAgents", "StrataContracts", "StrataEvaluation", "StrataServer", "StrataTelemetry",
        "StrataProviders", "CStrataKernels", "CMalloc", argumentParser, yams, logging,
      ],
      path: "Sources/Application/strata", resources: [.embedInCode("Resources")], swiftSettings: common),

    // Testing
    .layer("Testing", "StrataTesting", ["StrataCore"]),
    .tests("StrataCore", ["StrataCore"]),
    .tests("Architecture", []),
    .tests("StrataSchema", ["StrataCore", "StrataSchema"]),
    .tests("StrataTelemetry", ["StrataCore", "StrataTelemetry", "StrataTesting"]),
    .tests("StrataStore", ["StrataCore", "StrataStore", grdb]),
    .tests(
      "StrataModel", ["StrataCore", "StrataModel", "CStrataKernels"],
      exclude: ["Golden", "Adapters/make_golden.py", "ChatTemplates/make_golden.py", "Tokenizers/make_golden.py"]),
    .tests("StrataServing", ["StrataCore", "StrataSchema", "StrataModel", "StrataServing"]),
    .tests("StrataTraining", ["StrataCore", "StrataTraining", "StrataModel", "CStrataKernels"], exclude: ["Golden"]),
    .tests("StrataProviders", ["StrataCore", "StrataProviders", "StrataTesting"]),
    .tests("StrataIndex", ["StrataCore", "StrataIndex", "CStrataKernels"]),
    .tests(
      "StrataRetrieval",
      ["StrataCore", "StrataSchema", "StrataIndex", "StrataRetrieval", "StrataStore", "StrataTesting", yams],
      exclude: ["Golden"]),
    .tests("StrataAgents", ["StrataCore", "StrataSchema", "StrataAgents", "StrataTesting"]),
    .tests("StrataContracts", ["StrataCore", "StrataContracts"]),
    .tests("StrataEvaluation", ["StrataCore", "StrataEvaluation"]),
    .tests("StrataServer", ["StrataCore", "StrataServer", "StrataTesting"]),
  ]
)
