// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let database = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

/// `PSEUDOWORD_WITHOUT_ONEDNN=1 swift build` for machines that lack it.
let hasOneDNN = Context.environment["PSEUDOWORD_WITHOUT_ONEDNN"] == nil

let package = Package(
    name: "pseudoword",
    products: [.executable(name: "pseudoword", targets: ["pseudoword"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // System libraries: each is imported by one wrapper only.
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .systemLibrary(name: "CPictures", providers: [.apt(["libpng-dev", "libturbojpeg0-dev", "libwebp-dev"])]),

        // Compute: synchronous, no network, no logging.
        .target(
            // Optimised in debug builds too: the tests would crawl without.
            name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-ffp-contract=fast", "-fno-math-errno"])],
            linkerSettings: [.linkedLibrary("m")]),
        .target(name: "PortableMath"),
        // oneDNN's C API, 2.x or 3.x: another way to multiply, to hold our own kernels against.
        .target(
            name: "COneDNN", cSettings: hasOneDNN ? [] : [.define("PSEUDOWORD_WITHOUT_ONEDNN")],
            linkerSettings: hasOneDNN ? [.linkedLibrary("dnnl")] : []),
        .target(name: "Tensors", dependencies: ["CKernels", "COneDNN", "COpenBLAS", "PortableMath"]),
        .target(name: "ModelFiles"),
        .target(name: "StableDiffusion", dependencies: ["Tensors", "ModelFiles"]),
        .target(name: "Pictures", dependencies: ["CPictures", "PortableMath"]),
        .target(name: "Studies", dependencies: ["PortableMath", .product(name: "Yams", package: "Yams")]),
        .target(name: "TextualInversion", dependencies: ["StableDiffusion", "ModelFiles", "Pictures", "Studies", "Tensors", crypto]),
        .target(name: "StarterModel", resources: [.copy("model"), .copy("pictures")]),

        // Cluster: no tensors, only opaque vectors.
        .target(name: "HDF5", dependencies: ["CHDF5"]),
        .target(name: "Checkpoints", dependencies: ["HDF5"]),
        .target(name: "ZeroMQ", dependencies: ["CZeroMQ"]),
        .target(name: "Access", dependencies: ["ZeroMQ"]),
        .target(name: "WireMessages", dependencies: [protobuf]),
        .target(name: "Blobs", dependencies: ["ZeroMQ", "WireMessages", crypto, protobuf]),
        .target(name: "Coordination"),
        .target(name: "Simulation", dependencies: ["Coordination"]),

        // Pure: what `fleet up` reads, and the scripts that it runs on other boxes.
        .target(name: "FleetHosts"),

        // Where the two meet.
        .target(
            name: "Fleet",
            dependencies: [
                "Access", "Blobs", "Checkpoints", "Coordination", "ModelFiles", "Pictures", "StableDiffusion", "Studies", "Tensors",
                "TextualInversion", "WireMessages", "ZeroMQ", crypto, database, logging, protobuf,
            ]),
        .executableTarget(
            name: "pseudoword",
            dependencies: [
                "Access", "Blobs", "Checkpoints", "Coordination", "Fleet", "FleetHosts", "ModelFiles", "OperationCases", "Pictures",
                "StableDiffusion", "Simulation", "StarterModel", "Studies", "Tensors", "TextualInversion", "ZeroMQ", argumentParser,
                logging,
            ]),

        // One table of operations for tests and `pseudoword bench operations`.
        .target(name: "OperationCases", dependencies: ["Tensors"]),
        .executableTarget(name: "operation-check", dependencies: ["OperationCases", "Tensors", argumentParser]),

        // What the fleet's parts carry, measured with real sockets and disks.
        .executableTarget(
            name: "fleet-bench",
            dependencies: ["Blobs", "Checkpoints", "Coordination", "Fleet", "WireMessages", "ZeroMQ", argumentParser, logging]),

        .testTarget(name: "PortableMathTests", dependencies: ["PortableMath"]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors", "OperationCases", "operation-check"]),
        .testTarget(name: "ModelFilesTests", dependencies: ["ModelFiles"]),
        .testTarget(name: "StableDiffusionTests", dependencies: ["StableDiffusion", "ModelFiles", "Tensors"]),
        .testTarget(name: "PicturesTests", dependencies: ["Pictures"]),
        .testTarget(name: "StudiesTests", dependencies: ["Studies"]),
        .testTarget(name: "HDF5Tests", dependencies: ["HDF5"]),
        .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints", "HDF5"]),
        .testTarget(name: "ZeroMQTests", dependencies: ["ZeroMQ"]),
        .testTarget(name: "AccessTests", dependencies: ["Access", "ZeroMQ"]),
        .testTarget(name: "WireMessagesTests", dependencies: ["WireMessages", protobuf]),
        .testTarget(name: "CoordinationTests", dependencies: ["Coordination", "Simulation"]),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation", "Coordination"]),
        .testTarget(name: "BlobsTests", dependencies: ["Blobs", "WireMessages", "ZeroMQ", protobuf]),
        .testTarget(name: "FleetHostsTests", dependencies: ["FleetHosts"]),
        .testTarget(
            name: "TextualInversionTests",
            dependencies: ["TextualInversion", "ModelFiles", "Pictures", "StableDiffusion", "Studies", "Tensors"]),
        .testTarget(
            name: "FleetTests",
            dependencies: [
                "Access", "Blobs", "Checkpoints", "Coordination", "Fleet", "StableDiffusion", "Studies", "TextualInversion", "WireMessages",
                "ZeroMQ", database, logging, protobuf,
            ]),

        // The real program in real processes.
        .target(name: "ProcessTesting", dependencies: ["pseudoword"], path: "Tests/ProcessTesting"),
        .testTarget(name: "CommandLineTests", dependencies: ["ProcessTesting", "pseudoword"]),
        .testTarget(name: "FleetProcessTests", dependencies: ["ProcessTesting", "pseudoword", "Checkpoints"]),
    ],
    swiftLanguageModes: [.v6]
)

// Only for scripts/fuzz: libFuzzer has to see where the parsers go.
if Context.environment["PSEUDOWORD_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["Blobs", "WireMessages"], path: "Tests/Fuzz", exclude: ["corpus"],
            // libFuzzer brings a main of its own, over which gold stumbles.
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]))
    for target in package.targets where ["Blobs", "WireMessages", "fuzz"].contains(target.name) {
        target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])]
    }
}

for target in package.targets where [.regular, .executable, .test].contains(target.type) && !["CKernels", "COneDNN"].contains(target.name) {
    var settings: [SwiftSetting] = [
        .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
    // Only in our own checks: a newer compiler's new warning must not keep users from building.
    if Context.environment["CI"] != nil { settings.append(.treatAllWarnings(as: .error)) }
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}
