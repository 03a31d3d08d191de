// SPDX-License-Identifier: Apache-2.0

/// A file written by `torch.save`, opened without executing anything in it.
///
/// Both containers are read: the ZIP of torch 1.6 and later, and the older run of five pickles followed by raw storages.
/// Tensors are resolved from the pickle's nodes and read from the mapped file on demand.
package struct TorchFile: Sendable {
    private static let pickleLimit = 64 << 20

    private let file: MappedFile
    /// The saved object.
    package let pickle: Pickle
    /// Byte ranges of storages by key: elements claimed by the legacy container, everything in the entry for ZIP.
    private let storages: [String: Range<Int>]

    package var path: String { file.path }

    /// Opens `path` and parses its pickle.
    ///
    /// - Throws: `ModelFileError`.
    package init(path: String) throws(ModelFileError) {
        try self.init(try MappedFile(path: path))
    }

    init(_ file: MappedFile) throws(ModelFileError) {
        self.file = file
        do {
            (pickle, storages) = ZipReader.recognises(file) ? try Self.openZip(file) : try Self.openLegacy(file)
        } catch {
            throw error.at(file.path)
        }
    }

    /// Whether the file starts like something `torch.save` writes.
    static func recognises(_ file: MappedFile) -> Bool {
        ZipReader.recognises(file) || (file.count >= 2 && file.bytes(0..<1) == [0x80])
    }

    /// The tensor that a node describes (a parameter counts as its tensor), or nil when it describes something else.
    ///
    /// - Throws: `ModelFileError` when it describes a tensor that the file does not hold whole.
    package func tensor(_ reference: Pickle.Reference) throws(ModelFileError) -> TorchTensor? {
        do {
            return try TorchTensor(reference, in: pickle) { key in storages[key] }
        } catch {
            throw error.at(path)
        }
    }

    /// Every tensor of the model's state dictionary, by name; looks below `state_dict` where there is one.
    ///
    /// Entries that are not tensors are left out.
    package func stateDictionary() throws(ModelFileError) -> [String: TorchTensor] {
        let dictionary = pickle.value("state_dict", in: pickle.root) ?? pickle.root
        guard let items = pickle.items(dictionary) else {
            throw ModelFileError(.unsupported, "holds no dictionary of tensors", path: path)
        }
        var tensors: [String: TorchTensor] = [:]
        for item in items {
            if let name = pickle.text(item.key), let tensor = try tensor(item.value) { tensors[name] = tensor }
        }
        return tensors
    }

    /// Converts a tensor to Float in row-major order, whatever its strides, into exactly its element count.
    package func copyFloats(_ tensor: TorchTensor, into destination: UnsafeMutableBufferPointer<Float>) {
        precondition(tensor.elementCount == destination.count, "\(destination.count) places for \(tensor.elementCount) elements")
        guard !destination.isEmpty else { return }
        if tensor.isContiguous {
            file.withBytes(tensor.byteRange) { convert($0, from: tensor.dtype, into: destination) }
            return
        }
        let stored = [Float](unsafeUninitializedCapacity: tensor.byteRange.count / tensor.dtype.byteCount) { buffer, count in
            count = tensor.byteRange.count / tensor.dtype.byteCount
            let span = UnsafeMutableBufferPointer(rebasing: buffer[0..<count])
            file.withBytes(tensor.byteRange) { convert($0, from: tensor.dtype, into: span) }
        }
        var index = [Int](repeating: 0, count: tensor.shape.count)
        var offset = 0
        for place in destination.indices {
            destination[place] = stored[offset]
            for axis in index.indices.reversed() {
                index[axis] += 1
                offset += tensor.strides[axis]
                if index[axis] < tensor.shape[axis] { break }
                offset -= tensor.strides[axis] * tensor.shape[axis]
                index[axis] = 0
            }
        }
    }

    /// The elements of a tensor as Float, in row-major order.
    package func floats(_ tensor: TorchTensor) -> [Float] {
        [Float](unsafeUninitializedCapacity: tensor.elementCount) { buffer, count in
            count = tensor.elementCount
            copyFloats(tensor, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<count]))
        }
    }

    private static func openZip(_ file: MappedFile) throws(ModelFileError) -> (Pickle, [String: Range<Int>]) {
        let zip = try ZipReader(file)
        let pickles = zip.entries.values.filter { $0.name.hasSuffix("/data.pkl") }
        guard let entry = pickles.first, pickles.count == 1 else {
            throw .malformed("is a zip file with \(pickles.count) entries named data.pkl; a torch file has one, inside a folder")
        }
        guard entry.size <= pickleLimit else { throw .unsupported("its pickle has \(entry.size) bytes; the limit is \(pickleLimit)") }
        let base = entry.name.dropLast("data.pkl".count)
        if let order = zip.entries[base + "byteorder"], try zip.bytes(of: order) != Array("little".utf8) {
            throw .unsupported("was saved in big-endian byte order; save it again on a little-endian machine")
        }
        var storages: [String: Range<Int>] = [:]
        let prefix = base + "data/"
        for entry in zip.entries.values where entry.name.hasPrefix(prefix) {
            storages[String(entry.name.dropFirst(prefix.count))] = try zip.range(of: entry)
        }
        return (try Pickle(parsing: try zip.bytes(of: entry)), storages)
    }

    /// Five pickles (magic number, protocol, system, object, storage keys), then for each key a 64-bit count and the elements.
    private static func openLegacy(_ file: MappedFile) throws(ModelFileError) -> (Pickle, [String: Range<Int>]) {
        var position = 0
        func next() throws(ModelFileError) -> Pickle {
            let end = min(file.count, position + pickleLimit)
            let result = file.withBytes(position..<end) { bytes in Result { () throws(ModelFileError) in try Pickle(parsing: bytes) } }
            let pickle = try result.get()
            position += pickle.byteCount
            return pickle
        }
        let magic = try next()
        guard case .bigInteger([0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]) = magic[magic.root] else {
            throw .unsupported("is a pickle but not one that torch.save wrote; load it in Python and save it with torch.save")
        }
        let version = try next()
        guard version.integer(version.root) == 1001 else { throw .unsupported("has an unknown version of the legacy torch format") }
        let system = try next()
        if let order = system.value("little_endian", in: system.root), case .bool(false) = system[order] {
            throw .unsupported("was saved in big-endian byte order; save it again on a little-endian machine")
        }
        let pickle = try next()
        let list = try next()
        let keys = list.elements(list.root)?.compactMap { list.text($0) } ?? []
        let types = TorchTensor.storageTypes(in: pickle)
        var storages: [String: Range<Int>] = [:]
        for key in keys {
            guard let type = types[key], storages[key] == nil else {
                throw .malformed("lists storage \(quoted(key)), which is not used or listed before")
            }
            guard file.count - position >= 8 else { throw .malformed("is cut short before storage \(quoted(key))") }
            let count = file.withBytes(position..<position + 8) { Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) }
            position += 8
            guard count >= 0, count <= Int64((file.count - position) / type.byteCount) else {
                throw .malformed("is cut short: storage \(quoted(key)) claims \(count) elements")
            }
            storages[key] = position..<position + Int(count) * type.byteCount
            position += Int(count) * type.byteCount
        }
        return (pickle, storages)
    }
}
