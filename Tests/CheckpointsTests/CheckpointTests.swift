// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Checkpoints

@Suite struct CheckpointTests {
    @Test(arguments: ["one encoder", "long", "smallest", "two encoders"])
    func aCheckpointIsReadAsItWasWritten(kind: String) async throws {
        let checkpoint: Checkpoint =
            switch kind {
            case "long": .sample(steps: 1_300, count: 8, width: 768)
            case "smallest": .sample(steps: 0, count: 1, width: 1)
            case "two encoders": .sample(count: 3, width: 2_048, clipLWidth: 768)
            default: .sample()
            }
        try await withTemporaryFolder { folder in
            try checkpoint.write(to: "\(folder)/trial.h5")
            #expect(try Checkpoint.read(from: "\(folder)/trial.h5") == checkpoint)
            #expect(try names(in: folder) == ["trial.h5"])
        }
    }

    @Test func theFirstCheckpointHasNoBestAndNoSnapshots() throws {
        var checkpoint = Checkpoint.sample(steps: 0)
        checkpoint.best = nil
        checkpoint.bestStep = nil
        checkpoint.snapshots = []
        checkpoint.studyText = ""
        #expect(try Checkpoint(decoding: checkpoint.encoded(), name: "a") == checkpoint)
    }

    @Test func aTrialThatDivergedIsStoredWithItsNaNs() async throws {
        var checkpoint = Checkpoint.sample()
        checkpoint.history.append(
            step: 21, loss: .nan, learningRate: 1, gradientNorm: .infinity, embeddingNorm: -.infinity, seconds: 0)
        checkpoint.embedding.values[3] = .nan
        try await withTemporaryFolder { folder in
            try checkpoint.write(to: "\(folder)/a.h5")
            let read = try Checkpoint.read(from: "\(folder)/a.h5")
            #expect(read.history.loss.last?.isNaN == true && read.embedding.values[3].isNaN)
            #expect(try read.encoded() == checkpoint.encoded())
        }
    }

    @Test func equalCheckpointsMakeEqualFiles() async throws {
        try await withTemporaryFolder { folder in
            let checkpoint = Checkpoint.sample(steps: 1_000)
            try checkpoint.write(to: "\(folder)/a.h5")
            try await Task.sleep(for: .milliseconds(1_100))
            try checkpoint.write(to: "\(folder)/b.h5")
            let first = try Data(contentsOf: URL(filePath: "\(folder)/a.h5"))
            #expect(try Data(contentsOf: URL(filePath: "\(folder)/b.h5")) == first)

            var other = checkpoint
            other.embedding.values[0] += 1
            #expect(try other.encoded() != Array(first))
        }
    }

    @Test func aFileIsSmall() throws {
        let size = try Checkpoint.sample(steps: 5_000, count: 8, width: 768).encoded().count
        #expect(size < 300_000, "\(size) bytes for 6 arrays of 25 kB and 5000 rows")
    }

    @Test func textThatHDF5CannotStoreIsRefusedInOneLine() {
        var checkpoint = Checkpoint.sample()
        checkpoint.studyText = "a\0b"
        #expect(throws: CheckpointError.self) { try checkpoint.encoded() }
        checkpoint = .sample()
        checkpoint.cpu = String(repeating: "x", count: 10_000)
        let error = #expect(throws: CheckpointError.self) { try checkpoint.encoded() }
        #expect(error?.code == .notStorable)
        #expect(error?.message.contains("/@cpu: 10000 bytes of text") == true)
    }

    @Test func columnsAreTakenApartAndPutTogether() {
        let vectors = Vectors(count: 2, width: 3, values: [1, 2, 3, 4, 5, 6])
        #expect(vectors.columns(0..<1) == Vectors(count: 2, width: 1, values: [1, 4]))
        #expect(vectors.columns(1..<3) == Vectors(count: 2, width: 2, values: [2, 3, 5, 6]))
        #expect(vectors.columns(0..<1).appendingColumns(of: vectors.columns(1..<3)) == vectors)
        #expect(Vectors.zeros(count: 2, width: 1).values == [0, 0])
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/h5dump"), "needs hdf5-tools"))
    func h5dumpShowsTheDocumentedLayout() async throws {
        try await withTemporaryFolder { folder in
            try Checkpoint.sample().write(to: "\(folder)/a.h5")
            #expect(
                try h5dump(["-n", "\(folder)/a.h5"]).matches(of: #/ (?:group|dataset) +(/\S*)/#).map { String($0.1) } == [
                    "/", "/embedding", "/embedding/best", "/embedding/best_step", "/embedding/initial", "/embedding/vectors",
                    "/evaluation", "/evaluation/loss", "/evaluation/standard_error", "/evaluation/step",
                    "/history", "/history/embedding_norm", "/history/gradient_norm", "/history/learning_rate", "/history/loss",
                    "/history/seconds", "/history/step", "/optimizer", "/optimizer/exp_avg", "/optimizer/exp_avg_sq",
                    "/snapshots", "/snapshots/step", "/snapshots/vectors", "/study", "/study/hyperparameters", "/study/text",
                ])
            #expect(try h5dump(["-a", "/format", "\(folder)/a.h5"]).contains(#""pseudoword-checkpoint""#))
            #expect(try h5dump(["-a", "/version", "\(folder)/a.h5"]).contains("(0): 1"))
            let column = try h5dump(["-p", "-d", "/history/loss", "\(folder)/a.h5"])
            #expect(
                column.contains("H5T_IEEE_F64LE") && column.contains("( 20 ) / ( H5S_UNLIMITED )") && column.contains("CHUNKED ( 512 )"))
            #expect(column.contains("COMPRESSION DEFLATE") && column.contains("CHECKSUM FLETCHER32"))
            #expect(try h5dump(["-d", "/embedding/vectors", "\(folder)/a.h5"]).contains("( 2, 16 ) / ( 2, 16 )"))

            try Checkpoint.sample(clipLWidth: 6).write(to: "\(folder)/xl.h5")
            #expect(try h5dump(["-d", "/embedding/clip_l", "\(folder)/xl.h5"]).contains("( 2, 6 ) / ( 2, 6 )"))
            #expect(try h5dump(["-d", "/embedding/clip_g", "\(folder)/xl.h5"]).contains("( 2, 10 ) / ( 2, 10 )"))
        }
    }

    private func h5dump(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/h5dump")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }
}
