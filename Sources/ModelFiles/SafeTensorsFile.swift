// SPDX-License-Identifier: Apache-2.0

/// A safetensors file, mapped into memory and checked; tensors are read on demand.
///
/// The format is the reference implementation's (huggingface/safetensors): an 8-byte little-endian header length, a JSON
/// header, and the tensors' bytes. Header errors are thrown by `init`, so reading a named tensor fails only when it is absent.
package struct SafeTensorsFile: Sendable {
    private let file: MappedFile
    private let header: SafeTensorsHeader
    /// All tensor names in byte order.
    package let names: [String]

    package var path: String { file.path }

    /// The header's `__metadata__`, empty when absent.
    package var metadata: [String: String] { header.metadata }

    /// Opens `path` and checks the whole header.
    ///
    /// - Throws: `ModelFileError`.
    package init(path: String) throws(ModelFileError) {
        try self.init(MappedFile(path: path))
    }

    /// Checks the whole header of a file that is in memory.
    ///
    /// - Parameter name: what errors call it.
    /// - Throws: `ModelFileError`.
    package init(bytes: [UInt8], name: String) throws(ModelFileError) {
        try self.init(MappedFile(copying: bytes, name: name))
    }

    private init(_ mapped: MappedFile) throws(ModelFileError) {
        file = mapped
        header = try SafeTensorsHeader(file)
        names = header.tensors.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    package func tensor(named name: String) -> TensorEntry? {
        header.tensors[name]
    }

    /// Calls `body` with the raw little-endian bytes of a tensor; the pointer must not outlive the call.
    package func withBytes<Result>(named name: String, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
        try file.withBytes(entry(name).byteRange, body)
    }

    /// Where the bytes of a tensor lie in memory, for as long as the owner lives.
    package func mapped(named name: String) throws(ModelFileError) -> (address: UnsafeRawPointer, owner: MappedFile) {
        let entry = try entry(name)
        guard let address = file.address(entry.byteRange.lowerBound) else {
            throw ModelFileError(.missing, "tensor \(quoted(name)) is empty", path: path)
        }
        return (address, file)
    }

    /// Converts a tensor to Float straight into `destination`, which must have exactly its element count.
    ///
    /// F32, F16 and BF16 are exact.
    /// - Throws: `ModelFileError` when there is no such tensor.
    package func copyFloats(named name: String, into destination: UnsafeMutableBufferPointer<Float>) throws(ModelFileError) {
        let entry = try entry(name)
        precondition(entry.elementCount == destination.count, "\(name) has \(entry.elementCount) elements, not \(destination.count)")
        file.withBytes(entry.byteRange) { convert($0, from: entry.dtype, into: destination) }
    }

    /// Lets the system drop the pages of a tensor that has been converted, so that a file and its copy are not both in memory.
    package func releasePages(of name: String) {
        if let entry = header.tensors[name] { file.releasePages(entry.byteRange) }
    }

    /// The elements of a tensor as Float, in row-major order.
    package func floats(named name: String) throws(ModelFileError) -> [Float] {
        let entry = try entry(name)
        return [Float](unsafeUninitializedCapacity: entry.elementCount) { buffer, count in
            count = entry.elementCount
            let destination = UnsafeMutableBufferPointer(rebasing: buffer[0..<count])
            file.withBytes(entry.byteRange) { convert($0, from: entry.dtype, into: destination) }
        }
    }

    /// The elements of an integer or boolean tensor, in row-major order.
    package func integers(named name: String) throws(ModelFileError) -> [Int] {
        let entry = try entry(name)
        guard !entry.dtype.isFloatingPoint else {
            throw ModelFileError(.unsupported, "tensor \(quoted(name)) holds \(entry.dtype.rawValue), not whole numbers", path: path)
        }
        return file.withBytes(entry.byteRange) { bytes in
            guard let base = bytes.baseAddress else { return [] }
            return (0..<entry.elementCount).map { integer(base, $0, entry.dtype) }
        }
    }

    private func entry(_ name: String) throws(ModelFileError) -> TensorEntry {
        guard let entry = header.tensors[name] else {
            throw ModelFileError(.missing, "has no tensor \(quoted(name)); it holds \(names.count) tensors", path: path)
        }
        return entry
    }
}
