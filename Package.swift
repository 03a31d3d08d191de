// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

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
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .target(
            name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-ffp-contract=fast", "-fno-math-errno"])],
            linkerSettings: [.linkedLibrary("m")]),
        .target(name: "Tensors", dependencies: ["CKernels", "COpenBLAS"]),
        .target(name: "ModelFiles"),
        .target(name: "StableDiffusion", dependencies: ["Tensors", "ModelFiles"]),
        .systemLibrary(name: "CPictures", providers: [.apt(["libpng-dev", "libturbojpeg0-dev", "libwebp-dev"])]),
        .target(name: "Pictures", dependencies: ["CPictures"]),
        .target(name: "Studies", dependencies: [.product(name: "Yams", package: "Yams")]),
        .target(
            name: "TextualInversion",
            dependencies: ["StableDiffusion", "ModelFiles", "Pictures", "Studies", "Tensors", .product(name: "Crypto", package: "swift-crypto")]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .target(name: "HDF5", dependencies: ["CHDF5"]),
        .target(name: "Checkpoints", dependencies: ["HDF5"]),
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .target(name: "ZeroMQ", dependencies: ["CZeroMQ"]),
        .target(name: "WireMessages", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")]),
        .target(name: "Coordination"),
        .target(
            name: "Fleet",
            dependencies: [
                "Checkpoints", "Coordination", "ModelFiles", "Pictures", "StableDiffusion", "Studies", "Tensors", "TextualInversion",
                "WireMessages", "ZeroMQ", .product(name: "Crypto", package: "swift-crypto"), .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"), .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),
        .target(name: "StarterModel", resources: [.copy("model"), .copy("pictures")]),
        .executableTarget(
            name: "pseudoword",
            dependencies: [
                "Checkpoints", "Coordination", "Fleet", "ModelFiles", "Pictures", "StableDiffusion", "StarterModel", "Studies", "Tensors",
                "TextualInversion", "ZeroMQ", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where [.regular, .executable, .test].contains(target.type) && target.name != "CKernels" {
    var settings: [SwiftSetting] = [
        .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
    if Context.environment["CI"] != nil { settings.append(.treatAllWarnings(as: .error)) }
    target.swiftSettings = (target.swiftSettings ?? []) + settings
}
