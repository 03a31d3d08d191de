// SPDX-License-Identifier: Apache-2.0

/// Writes safetensors files, laid out as the reference implementation lays them out.
///
/// `__metadata__` first, tensors in byte order of their names, header padded with spaces to a multiple of 8. The bytes depend
/// only on the arguments. Files appear whole or not at all.
package enum SafeTensorsWriter {
    package struct Tensor: Sendable {
        package let name: String
        package let shape: [Int]

        package init(name: String, shape: [Int]) {
            self.name = name
            self.shape = shape
        }
    }

    /// Writes tensors that are in memory, as F32.
    ///
    /// - Throws: `ModelFileError` when the file cannot be written.
    package static func write(
        tensors: [(name: String, shape: [Int], values: [Float])], metadata: [String: String] = [:], to path: String
    ) throws {
        let values = Dictionary(tensors.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
        let layout = tensors.map { Tensor(name: $0.name, shape: $0.shape) }
        try write(layout, as: .float32, metadata: metadata, to: path) { values[$0] ?? [] }
    }

    /// Writes one tensor after the other, asking for each when its turn comes: memory holds one tensor at a time.
    ///
    /// - Parameters:
    ///   - dtype: `.float32`, `.float16` or `.bfloat16`; values are rounded to nearest, ties to even.
    ///   - values: the elements of the named tensor; called once per tensor in byte order of the names.
    /// - Throws: `ModelFileError` when the file cannot be written, or whatever `values` throws; then no file appears.
    package static func write(
        _ tensors: [Tensor], as dtype: ElementType, metadata: [String: String] = [:], to path: String,
        values: (String) throws -> [Float]
    ) throws {
        let file = try AtomicFile(path: path)
        try write(tensors, as: dtype, metadata: metadata, values: values, to: { try file.append($0) })
        try file.commit()
    }

    /// The file's bytes for tensors that are in memory, as F32.
    package static func bytes(tensors: [(name: String, shape: [Int], values: [Float])], metadata: [String: String] = [:]) -> [UInt8] {
        let values = Dictionary(tensors.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
        var bytes: [UInt8] = []
        write(
            tensors.map { Tensor(name: $0.name, shape: $0.shape) }, as: .float32, metadata: metadata, values: { values[$0] ?? [] },
            to: { bytes += $0 })
        return bytes
    }

    private static func write<Failure: Error>(
        _ tensors: [Tensor], as dtype: ElementType, metadata: [String: String], values: (String) throws(Failure) -> [Float],
        to output: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        precondition([.float32, .float16, .bfloat16].contains(dtype), "cannot write \(dtype.rawValue)")
        let tensors = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        try output(header(tensors, dtype, metadata))
        for tensor in tensors {
            let elements = try values(tensor.name)
            precondition(
                elements.count == elementCount(of: tensor.shape), "\(tensor.name): \(elements.count) values for shape \(tensor.shape)")
            // Converted in slices so that the copy in file form stays small.
            for start in stride(from: 0, to: elements.count, by: 1 << 18) {
                try output(littleEndianBytes(elements[start..<min(start + 1 << 18, elements.count)], dtype))
            }
        }
    }

    private static func header(_ tensors: [Tensor], _ dtype: ElementType, _ metadata: [String: String]) -> [UInt8] {
        precondition(Set(tensors.map(\.name)).count == tensors.count, "tensor names must differ")
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                .map { JSONValue.literal($0.key) + ":" + JSONValue.literal($0.value) }
            members.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
        }
        var offset = 0
        for tensor in tensors {
            guard let count = elementCount(of: tensor.shape) else {
                preconditionFailure("\(tensor.name): impossible shape \(tensor.shape)")
            }
            let end = offset + count * dtype.byteCount
            let sizes = tensor.shape.map(String.init).joined(separator: ",")
            members.append(
                JSONValue.literal(tensor.name)
                    + ":{\"dtype\":\"\(dtype.rawValue)\",\"shape\":[\(sizes)],\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var json = Array(("{" + members.joined(separator: ",") + "}").utf8)
        json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
        return withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) } + json
    }

    private static func littleEndianBytes(_ values: ArraySlice<Float>, _ dtype: ElementType) -> [UInt8] {
        switch dtype {
        case .float16: values.map { halfBits($0).littleEndian }.withUnsafeBytes { Array($0) }
        case .bfloat16: values.map { bfloat16Bits($0).littleEndian }.withUnsafeBytes { Array($0) }
        default: values.withUnsafeBytes { Array($0) }
        }
    }
}

/// The bfloat16 bits nearest to `value`, ties to even.
private func bfloat16Bits(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) >> 16)
}
