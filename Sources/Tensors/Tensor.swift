// SPDX-License-Identifier: Apache-2.0
private import CKernels
private import Glibc

/// A dense array of 32-bit floats with a shape, row-major, channels last.
///
/// Pictures and feature maps are `[N, H, W, C]`, token sequences `[N, T, C]`. A tensor never changes after it has been made: operations
/// return new ones, so tensors may be shared between threads. Copies share the storage.
package struct Tensor: Sendable {
    package let shape: [Int]
    let storage: Storage

    package var count: Int { storage.count }

    /// A tensor of zeros.
    package init(zeros shape: [Int]) {
        self.init(uninitialized: shape)
        storage.pointer.update(repeating: 0, count: storage.count)
    }

    /// A tensor with the given values in row-major order.
    package init(_ values: [Float], shape: [Int]) {
        self.init(uninitialized: shape)
        precondition(values.count == count, "\(values.count) values do not fill the shape \(shape)")
        values.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { storage.pointer.update(from: base, count: count) }
        }
    }

    /// A tensor whose values `fill` writes; `fill` must write every element.
    package init(shape: [Int], fill: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
        self.init(uninitialized: shape)
        try fill(UnsafeMutableBufferPointer(start: storage.pointer, count: count))
    }

    /// A tensor of which only the shape is of use: its memory is never written, so it costs none.
    package init(placeholder shape: [Int]) { self.init(uninitialized: shape) }

    /// [A, B, C, D] -> [A, C, D, B]: torch's convolution weights with the input channels last.
    package func movingSecondAxisLast() -> Tensor {
        precondition(shape.count == 4)
        let (a, b, inner) = (shape[0], shape[1], shape[2] * shape[3])
        let result = Tensor(uninitialized: [a, shape[2], shape[3], b])
        guard inner > 1 else { return reshaped([a, shape[2], shape[3], b]) }
        parallelRanges(a, minimum: max(1, 65536 / max(1, b * inner))) { range in
            for outer in range {
                let source = pointer + outer * b * inner, target = result.pointer + outer * b * inner
                for channel in 0..<b { for place in 0..<inner { target[place * b + channel] = source[channel * inner + place] } }
            }
        }
        return result
    }

    init(uninitialized shape: [Int]) {
        precondition(shape.allSatisfy { $0 >= 0 }, "negative dimension in \(shape)")
        self.shape = shape
        storage = Storage(count: shape.reduce(1, *))
    }

    private init(shape: [Int], storage: Storage) {
        self.shape = shape
        self.storage = storage
    }

    /// Tensors of one shape [1, ...] put one behind the other: [N, ...].
    package init(stacking tensors: [Tensor]) {
        let shape = tensors.first?.shape ?? [0]
        precondition(tensors.allSatisfy { $0.shape == shape }, "cannot stack \(tensors.map(\.shape))")
        self.init(uninitialized: [tensors.count * (shape.first ?? 0)] + shape.dropFirst())
        for (index, tensor) in tensors.enumerated() {
            (storage.pointer + index * tensor.count).update(from: tensor.pointer, count: tensor.count)
        }
    }

    /// Tensors whose rows follow each other, put together.
    package init(joining parts: [Tensor], shape: [Int]) {
        if parts.count == 1 {
            self = parts[0].reshaped(shape)
            return
        }
        self.init(uninitialized: shape)
        precondition(parts.reduce(0) { $0 + $1.count } == count, "\(parts.map(\.shape)) do not make \(shape)")
        var place = storage.pointer
        for part in parts {
            place.update(from: part.pointer, count: part.count)
            place += part.count
        }
    }

    /// The same values under another shape with as many elements.
    package func reshaped(_ shape: [Int]) -> Tensor {
        precondition(shape.reduce(1, *) == count, "cannot view \(self.shape) as \(shape)")
        return Tensor(shape: shape, storage: storage)
    }

    /// All values in row-major order, copied.
    package var values: [Float] { Array(UnsafeBufferPointer(start: storage.pointer, count: count)) }

    /// Lends the values for reading.
    package func withValues<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
        try body(UnsafeBufferPointer(start: storage.pointer, count: count))
    }

    /// The number of rows when the last dimension is the row.
    package var rowCount: Int { shape.dropLast().reduce(1, *) }

    /// The size of the last dimension.
    package var width: Int { shape.last ?? 1 }

    /// The rows `range` of the first dimension, copied.
    package func slice(_ range: Range<Int>) -> Tensor {
        let stride = shape.dropFirst().reduce(1, *)
        precondition(range.lowerBound >= 0 && range.upperBound <= (shape.first ?? 0), "slice \(range) of \(shape)")
        return Tensor(shape: [range.count] + shape.dropFirst()) { out in
            if range.count * stride > 0 { out.baseAddress?.update(from: pointer + range.lowerBound * stride, count: range.count * stride) }
        }
    }

    /// The rows `range` of all rows, [range.count, width]: copied, or itself when it is all of them.
    package func rows(_ range: Range<Int>) -> Tensor {
        let all = reshaped([rowCount, width])
        return range == 0..<rowCount ? all : all.slice(range)
    }

    /// The first element's address, valid while this tensor lives.
    ///
    /// For this module's operations only.
    var pointer: UnsafeMutablePointer<Float> { storage.pointer }

    /// Whether every value is a number (neither infinite nor NaN).
    package var isFinite: Bool { withValues { $0.allSatisfy { $0.isFinite } } }
}

/// Aligned memory of a tensor, freed with the last tensor that uses it.
///
/// `@unchecked Sendable`: written only while the tensor that owns it is being made, by disjoint tasks.
final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Float>
    let count: Int

    init(count: Int) {
        Compute.prepare()
        var memory: UnsafeMutableRawPointer?
        let status = posix_memalign(&memory, 64, max(count, 16) * MemoryLayout<Float>.stride)
        guard status == 0, let memory else { preconditionFailure("out of memory: \(count * 4) bytes for a tensor") }
        pointer = memory.bindMemory(to: Float.self, capacity: max(count, 16))
        self.count = count
    }

    deinit { free(pointer) }
}
