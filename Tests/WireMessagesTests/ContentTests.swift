// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import Testing
import WireMessages

@Suite struct ContentTests {
    @Test func floatsAreLittleEndianAndKeepEveryBit() throws {
        #expect(FloatBytes.encode([1, -2]) == Data([0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]))
        let values: [Float] = [0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .pi, .infinity, Float(bitPattern: 0x7FC0_1234)]
        let decoded = try FloatBytes.decode(FloatBytes.encode(values), count: values.count)
        #expect(decoded.map(\.bitPattern) == values.map(\.bitPattern))
        #expect(FloatBytes.encode([]) == Data())
        let shifted = (Data([9]) + FloatBytes.encode(values)).dropFirst()
        #expect(try FloatBytes.decode(shifted, count: values.count).map(\.bitPattern) == values.map(\.bitPattern))
    }

    @Test(arguments: [-1, 0, 1, 3, .max, .max / 4 + 1, .min])
    func aWrongNumberOfFloatsIsRefused(count: Int) {
        #expect(throws: WireError.self) { try FloatBytes.decode(Data(count: 8), count: count) }
    }

    @Test func aStateGivesBackItsArrays() throws {
        let state = WireTrainingState(
            count: 1, width: 2, step: 3, embedding: [1, 2], expAvg: [3, 4], expAvgSq: [5, 6], initial: [7, 8],
            best: .init(vectors: [9, 10], step: 2, loss: 0.5))
        #expect(try state.values(\.embedding) == [1, 2])
        #expect(try state.values(\.expAvg) == [3, 4])
        #expect(try state.values(\.expAvgSq) == [5, 6])
        #expect(try state.values(\.initial) == [7, 8])
        #expect(try state.bestValues() == .init(vectors: [9, 10], step: 2, loss: 0.5))
        var damaged = state
        damaged.embedding.removeLast()
        #expect(throws: WireError.self) { try damaged.values(\.embedding) }
    }

    @Test func vectorsGiveBackTheirNumbers() throws {
        var vectors = WireVectors(count: 2, width: 2, values: [1, 2, 3, 4])
        #expect(try vectors.floats() == [1, 2, 3, 4])
        vectors.width = 3
        #expect(throws: WireError.self) { try vectors.floats() }
    }

    /// Integers as the digests write them.
    private func number(_ value: UInt8, _ bytes: Int) -> [UInt8] { [value] + [UInt8](repeating: 0, count: bytes - 1) }

    // MARK: - Segments

    @Test func aSegmentsDigestCoversWhatHasToBeTheSameAndNothingElse() {
        let content = Samples.result.deterministicContent
        let ignored: [(inout WireSegmentResult) -> Void] = [
            { $0.lease.attempt = 2 }, { $0.history[0].seconds = 9 }, { $0.cpu = "other" }, { $0.digest = Data() },
        ]
        for (index, change) in ignored.enumerated() {
            var result = Samples.result
            change(&result)
            #expect(result.deterministicContent == content, "change \(index)")
        }
        let covered: [(inout WireSegmentResult) -> Void] = [
            { $0.lease.study = 2 }, { $0.lease.trial = 4 }, { $0.fromStep = 9 }, { $0.toStep = 13 }, { $0.finished = false },
            { $0.after.embedding[0] ^= 1 }, { $0.after.expAvg[0] ^= 1 }, { $0.after.expAvgSq[0] ^= 1 }, { $0.after.initial[0] ^= 1 },
            { $0.after.best[0] ^= 1 }, { $0.after.bestStep = 3 }, { $0.after.bestLoss = 0.2 }, { $0.after.count = 3 },
            { $0.after.width = 9 }, { $0.after.step = 9 }, { $0.after.clearBestStep() }, { $0.history.removeLast() },
            { $0.history[0].step = 9 }, { $0.history[0].loss = 9 }, { $0.history[0].learningRate = 9 }, { $0.history[0].gradientNorm = 9 },
            { $0.history[0].embeddingNorm = 9 }, { $0.evaluations.removeAll() }, { $0.evaluations[0].step = 11 },
            { $0.evaluations[0].loss = 9 }, { $0.evaluations[0].standardError = 9 }, { $0.modelDigest[0] ^= 1 }, { $0.dataDigest[0] ^= 1 },
        ]
        for (index, change) in covered.enumerated() {
            var result = Samples.result
            change(&result)
            #expect(result.deterministicContent != content, "change \(index)")
        }
    }

    /// Results of protocol 1, in which the study's number was text, have the same digests.
    @Test func theInputOfASegmentsDigestIsFixedForEver() {
        let result = WireSegmentResult.with {
            ($0.lease.study, $0.lease.trial, $0.fromStep, $0.toStep) = (7, 1, 0, 1)
            $0.after = WireTrainingState(
                count: 1, width: 1, step: 1, embedding: [1], expAvg: [0], expAvgSq: [0], initial: [0], best: nil)
        }
        var expected = number(20, 8) + Array("pseudoword segment 1".utf8) + number(1, 8) + Array("7".utf8)
        for value in [1, 0, 1, 0, 1, 1, 1] as [UInt8] { expected += number(value, 4) }
        expected += number(4, 8) + [0, 0, 0x80, 0x3F]
        for _ in 0..<3 { expected += number(4, 8) + [0, 0, 0, 0] }
        expected += number(0, 8) + number(0, 4) + number(0, 4) + number(0, 8) + number(0, 4) + number(0, 4) + number(0, 8) + number(0, 8)
        #expect(result.deterministicContent == expected)
    }

    // MARK: - Slices

    @Test func aSlicesDigestCoversWhatHasToBeTheSameAndNothingElse() {
        let content = Samples.sliceResult.deterministicContent
        let ignored: [(inout WireSliceResult) -> Void] = [
            { $0.lease.attempt = 2 }, { $0.seconds = 9 }, { $0.cpu = "other" }, { $0.digest = Data() },
        ]
        for (index, change) in ignored.enumerated() {
            var result = Samples.sliceResult
            change(&result)
            #expect(result.deterministicContent == content, "change \(index)")
        }
        let covered: [(inout WireSliceResult) -> Void] = [
            { $0.lease.kind = .evaluate }, { $0.lease.study = 2 }, { $0.lease.trial = 4 }, { $0.lease.step = 9 }, { $0.lease.index = 5 },
            { $0.losses.removeLast() }, { $0.losses[1] = 9 }, { $0.losses.swapAt(0, 1) }, { $0.gradient[0] ^= 1 }, { $0.gradient = Data() },
            { $0.clearInitial() }, { $0.initial.count = 3 }, { $0.initial.width = 4 }, { $0.initial.values[0] ^= 1 },
            { $0.modelDigest[0] ^= 1 }, { $0.dataDigest[0] ^= 1 },
        ]
        for (index, change) in covered.enumerated() {
            var result = Samples.sliceResult
            change(&result)
            #expect(result.deterministicContent != content, "change \(index)")
        }
    }

    @Test func theInputOfASlicesDigestIsFixedForEver() {
        let result = WireSliceResult.with {
            $0.lease = .with { ($0.kind, $0.study, $0.trial, $0.step, $0.index) = (.gradient, 7, 1, 10, 3) }
            ($0.losses, $0.gradient) = ([0.5], FloatBytes.encode([1]))
        }
        var expected = number(18, 8) + Array("pseudoword slice 1".utf8) + number(2, 4) + number(7, 8)
        for value in [1, 10, 3, 1] as [UInt8] { expected += number(value, 4) }
        expected += [0, 0, 0, 0, 0, 0, 0xE0, 0x3F] + number(4, 8) + [0, 0, 0x80, 0x3F]
        expected += number(0, 4) + number(0, 4) + number(0, 4) + number(0, 8) + number(0, 8) + number(0, 8)
        #expect(result.deterministicContent == expected)
    }
}
