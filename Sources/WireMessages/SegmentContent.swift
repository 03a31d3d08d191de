// SPDX-License-Identifier: Apache-2.0
import Foundation

extension WireSegmentResult {
    /// What has to come out the same whoever computed it; `digest` is its SHA-256.
    ///
    /// Left out are the attempt, the wall times and the CPU. Protobuf's own bytes would not do: the same message can be
    /// written in several ways. Integers are little-endian; text and bytes follow their length.
    package var deterministicContent: [UInt8] {
        var writer = ContentWriter(capacity: 1024 + 5 * after.embedding.count + 36 * history.count)
        writer.bytes(Data("pseudoword segment 1".utf8))
        writer.bytes(Data(String(lease.study).utf8))
        for number in [lease.trial, fromStep, toStep, finished ? 1 : 0] { writer.number(number) }
        for number in [after.count, after.width, after.step] { writer.number(number) }
        for array in [after.embedding, after.expAvg, after.expAvgSq, after.initial, after.best] { writer.bytes(array) }
        writer.number(after.hasBestStep ? 1 : UInt32(0))
        writer.number(after.bestStep)
        writer.number(after.bestLoss.bitPattern)
        writer.number(UInt32(clamping: history.count))
        for row in history {
            writer.number(row.step)
            for value in [row.loss, row.learningRate, row.gradientNorm, row.embeddingNorm] { writer.number(value.bitPattern) }
        }
        writer.number(UInt32(clamping: evaluations.count))
        for row in evaluations {
            writer.number(row.step)
            for value in [row.loss, row.standardError] { writer.number(value.bitPattern) }
        }
        writer.bytes(modelDigest)
        writer.bytes(dataDigest)
        return writer.content
    }
}

extension WireSliceResult {
    /// What has to come out the same whoever computed it; `digest` is its SHA-256.
    package var deterministicContent: [UInt8] {
        var writer = ContentWriter(capacity: 1024 + 8 * losses.count + gradient.count + initial.values.count)
        writer.bytes(Data("pseudoword slice 1".utf8))
        writer.number(UInt32(lease.kind.rawValue))
        writer.number(lease.study)
        for number in [lease.trial, lease.step, lease.index] { writer.number(number) }
        writer.number(UInt32(clamping: losses.count))
        for loss in losses { writer.number(loss.bitPattern) }
        writer.bytes(gradient)
        for number in [hasInitial ? 1 : 0, initial.count, initial.width] as [UInt32] { writer.number(number) }
        writer.bytes(initial.values)
        writer.bytes(modelDigest)
        writer.bytes(dataDigest)
        return writer.content
    }
}

private struct ContentWriter {
    private(set) var content: [UInt8] = []

    init(capacity: Int) { content.reserveCapacity(capacity) }

    mutating func number(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { content.append(contentsOf: $0) } }

    mutating func bytes(_ value: Data) {
        number(UInt64(value.count))
        // Not the data itself: it would come byte by byte.
        value.withUnsafeBytes { content.append(contentsOf: $0) }
    }
}
