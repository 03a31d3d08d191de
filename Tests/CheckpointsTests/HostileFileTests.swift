// SPDX-License-Identifier: Apache-2.0

import Foundation
import HDF5
import Testing

@testable import Checkpoints

@Suite struct HostileFileTests {
    @Test func version1StaysReadable() throws {
        let checkpoint = try Checkpoint.read(from: Fixtures.path("checkpoint-v1.h5"))
        func ramp(_ scale: Float) -> Vectors { Vectors(count: 2, width: 4, values: (0..<8).map { Float($0) * scale }) }
        #expect(checkpoint.study == "teal-hé❤rt" && checkpoint.trial == 3 && checkpoint.program == "h5py" && checkpoint.cpu == "any")
        #expect(checkpoint.embedding == ramp(0.125) && checkpoint.initial == ramp(0.25) && checkpoint.clipLWidth == nil)
        #expect(checkpoint.best == ramp(0.5) && checkpoint.bestStep == 2)
        #expect(checkpoint.optimizer == .init(exponentialAverage: ramp(1), exponentialAverageOfSquares: ramp(2), step: 3))
        #expect(checkpoint.history.step == [1, 2, 3] && checkpoint.history.loss.prefix(2) == [0.5, 0.25])
        #expect(checkpoint.history.loss[2].isNaN && checkpoint.history.learningRate == [0.005, 0.005, 0.005])
        #expect(checkpoint.history.gradientNorm == [3, 2, 1] && checkpoint.history.embeddingNorm == [1, 2, 3])
        #expect(checkpoint.history.seconds == [1.5, 1.25, 1])
        #expect(checkpoint.evaluation == Evaluations(step: [2], loss: [0.375], standardError: [0.0625]))
        #expect(checkpoint.snapshots.map(\.step) == [1, 2])
        #expect(checkpoint.snapshots.flatMap(\.vectors.values) == (0..<16).map { Float($0) / 16 })
        #expect(checkpoint.studyText == "study: teal-hé❤rt\n" && checkpoint.hyperparameters == #"{"seed":0}"#)
        #expect(checkpoint.modelDigest == String(repeating: "ab", count: 32) && checkpoint.dataDigest == "")
    }

    @Test(arguments: [
        ("old-format", "/: an HDF5 file of the format before 1.10"),
        ("soft-link", "/embedding/initial: expected a dataset, found a link to elsewhere"),
        ("external-link", "/embedding/initial: expected a dataset, found a link to elsewhere"),
        ("external-data", "/embedding/initial: its data lies in another file"),
        ("virtual", "/embedding/initial: its data lies in another file"),
        ("filter", "/embedding/initial: it is stored with a filter other than"),
        ("big-endian", "/embedding/initial: expected 32-bit little-endian floats"),
        ("null-space", "/embedding/initial: expected an array"),
        ("claims", "/embedding/initial: its shape [16384, 8192] asks for 536870912 bytes, but only 0 are stored"),
        ("overflow", "/embedding/initial: its shape [1073741824, 8589934592] asks for more than 1024 MiB"),
        ("big-chunk", "/embedding/initial: a chunk of [16384, 4096] asks for more than 64 MiB"),
        ("variable-text", "/study/text: expected UTF-8 text of fixed length"),
        ("not-utf8", "/@cpu: the text is not valid UTF-8"),
        ("named-type", "/embedding/initial: expected a dataset, found something else"),
    ])
    func whatNoCheckpointHasIsRefused(name: String, message: String) {
        let path = Fixtures.path("hostile-\(name).h5")
        let error = #expect(throws: CheckpointError.self) { try Checkpoint.read(from: path) }
        #expect(error?.code == .damaged)
        #expect(error?.message.hasPrefix("\(path): \(message)") == true, "\(String(describing: error))")
        #expect(error?.message.contains("\n") == false)
    }

    @Test(arguments: [
        ("format", "/@format: expected \"pseudoword-checkpoint\""), ("older", "/@version: no checkpoint has version 0"),
        ("no-optimizer", "/optimizer: this group is missing"), ("best-only", "/embedding/best_step: this dataset is missing"),
        ("shape", "/embedding/initial: shape [1, 8], but the embedding is [2, 4]"),
        ("ragged", "/history/loss: 2 rows, but the column step has 1"), ("negative", "/history/step: -1, expected 0 or more"),
    ])
    func whatDoesNotFitTogetherIsRefused(fault: String, message: String) throws {
        let image = try Self.image(fault: fault)
        let error = #expect(throws: CheckpointError.self) { try Checkpoint(decoding: image, name: "a.h5") }
        #expect(error?.message.hasPrefix("a.h5: \(message)") == true, "\(String(describing: error))")
    }

    @Test func aNewerVersionAsksForANewerProgram() throws {
        let error = try #require(throws: CheckpointError.self) { try Checkpoint(decoding: Self.image(fault: "newer"), name: "a.h5") }
        #expect(error.code == .tooNew)
        #expect("\(error)" == "a.h5: checkpoint version 2, expected at most 1: update this program to read it")
    }

    @Test func aFileCutOffAnywhereIsRefused() throws {
        let image = try Checkpoint.sample(steps: 600).encoded()
        for length in Array(stride(from: 0, to: image.count, by: 61)) + [image.count - 1] {
            let error = #expect(throws: CheckpointError.self, "cut off at \(length)") {
                try Checkpoint(decoding: Array(image.prefix(length)), name: "a.h5")
            }
            #expect(error?.code == .damaged)
        }
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func flippedBitsAreFoundByTheChecksums(seed: UInt64) throws {
        let checkpoint = Checkpoint.sample(steps: 600)
        let image = try checkpoint.encoded()
        var generator = SplitMix(state: seed)
        for _ in 0..<400 {
            var damaged = image
            let position = Int.random(in: 0..<image.count, using: &generator)
            damaged[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            // Either the bit was in a place that says nothing, or the file is refused. It is never read as something else.
            guard let read = try? Checkpoint(decoding: damaged, name: "a.h5") else { continue }
            #expect(read == checkpoint, "seed \(seed), byte \(position)")
        }
    }

    @Test(arguments: 1...2 as ClosedRange<UInt64>)
    func aDamagedFileOfAnotherWriterIsReadOrRefusedInOneLine(seed: UInt64) throws {
        let image = Array(try Data(contentsOf: URL(filePath: Fixtures.path("checkpoint-v1.h5"))))
        var generator = SplitMix(state: seed)
        for _ in 0..<400 {
            var damaged = image
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                damaged[Int.random(in: 0..<image.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            do {
                _ = try Checkpoint(decoding: damaged, name: "a.h5")
            } catch {
                #expect(error is CheckpointError && !"\(error)".contains("\n"))
            }
        }
    }

    /// A version-1 file made with the bare wrapper, with one fault.
    private static func image(fault: String) throws -> [UInt8] {
        let vectors = (0..<8).map(Float.init)
        return try HDF5Image.make { root in
            try root.attribute("format", text: fault == "format" ? "another" : "pseudoword-checkpoint")
            try root.attribute("version", integer: fault == "newer" ? 2 : fault == "older" ? 0 : 1)
            for name in ["study", "program", "cpu"] { try root.attribute(name, text: name) }
            try root.attribute("trial", integer: 1)
            try root.group("embedding") { group in
                try group.array("vectors", vectors, shape: [2, 4])
                try group.array("initial", vectors, shape: fault == "shape" ? [1, 8] : [2, 4])
                if fault == "best-only" { try group.array("best", vectors, shape: [2, 4]) }
            }
            if fault != "no-optimizer" {
                try root.group("optimizer") { group in
                    try group.array("exp_avg", vectors, shape: [2, 4])
                    try group.array("exp_avg_sq", vectors, shape: [2, 4])
                    try group.attribute("step", integer: 1)
                }
            }
            try root.group("history") { group in
                try group.column("step", [fault == "negative" ? -1 : 1] as [Int64])
                try group.column("loss", fault == "ragged" ? [1, 2] : [1] as [Double])
            }
        }
    }
}
