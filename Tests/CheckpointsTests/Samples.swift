// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import Checkpoints

/// Numbers that look random and are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension Vectors {
    static func random(count: Int, width: Int, seed: UInt64) -> Vectors {
        var generator = SplitMix(state: seed)
        let values = (0..<(count * width)).map { _ in Float.random(in: -1...1, using: &generator) }
        return Vectors(count: count, width: width, values: values)
    }
}

extension Checkpoint {
    /// A checkpoint with something in every place.
    static func sample(steps: Int = 20, count: Int = 2, width: Int = 16, clipLWidth: Int? = nil) -> Checkpoint {
        func vectors(_ seed: UInt64) -> Vectors { .random(count: count, width: width, seed: seed) }
        var history = History()
        var evaluation = Evaluations()
        for step in 1...max(steps, 1) where step <= steps {
            let loss = 1 / Double(step)
            history.append(step: step, loss: loss, learningRate: 0.005, gradientNorm: 2, embeddingNorm: Float(step), seconds: 0.25)
            if step % 10 == 0 { evaluation.append(step: step, loss: loss / 2, standardError: loss / 10) }
        }
        return Checkpoint(
            study: "teal-hé❤rt", trial: 7, program: "pseudoword 1.0", cpu: "avx512 f32 4 threads",
            embedding: vectors(1), initial: vectors(2), best: vectors(3), bestStep: 10, clipLWidth: clipLWidth,
            optimizer: OptimizerState(exponentialAverage: vectors(4), exponentialAverageOfSquares: vectors(5), step: steps),
            history: history, evaluation: evaluation,
            snapshots: [Snapshot(step: 5, vectors: vectors(6)), Snapshot(step: 10, vectors: vectors(7))],
            studyText: "study: teal-hé❤rt\n", hyperparameters: #"{"seed":0}"#,
            modelDigest: String(repeating: "ab", count: 32), dataDigest: String(repeating: "cd", count: 32))
    }
}

enum Fixtures {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(components: "Fixtures", "checkpoints")

    static func path(_ name: String) -> String { folder.appending(component: name).path }
}

/// A new folder for the time of `body`.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(component: "checkpoints-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.path)
}

func names(in folder: String) throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
