// SPDX-License-Identifier: Apache-2.0

/// A tensor inside a torch file: where its elements lie and how they are strided.
package struct TorchTensor: Sendable, Equatable {
    package let dtype: ElementType
    /// Sizes, slowest first.
    package let shape: [Int]
    /// Steps between neighbours along each axis, in elements.
    package let strides: [Int]
    /// The bytes from the first to the last element used, counted from the start of the file; empty for an empty tensor.
    package let byteRange: Range<Int>
    package let elementCount: Int

    var isContiguous: Bool {
        // An empty tensor's sizes may be anything; its product is not formed.
        guard elementCount > 0 else { return true }
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != 1 {
            guard stride == expected else { return false }
            expected *= size
        }
        return true
    }

    /// Resolves the node of a `_rebuild_tensor_v2` call, or of a `_rebuild_parameter` around one; nil for any other node.
    init?(
        _ reference: Pickle.Reference, in pickle: Pickle, storage: (String) -> Range<Int>?
    ) throws(ModelFileError) {
        guard case .object(let object) = pickle[reference], let callable = pickle.symbol(object.callable) else { return nil }
        switch callable {
        case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
            // A parameter wraps a tensor, never another parameter, so this goes one level down and no further.
            guard let data = pickle.elements(object.arguments)?.first, case .object(let inner) = pickle[data],
                pickle.symbol(inner.callable)?.hasPrefix("torch._utils._rebuild_tensor") == true
            else { throw .malformed("a saved parameter holds no tensor") }
            try self.init(data, in: pickle, storage: storage)
        case "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor":
            try self.init(arguments: object.arguments, in: pickle, storage: storage)
        case _ where callable.hasPrefix("torch._utils._rebuild_"):
            throw .unsupported(
                "holds a tensor saved through \(callable), which is not supported (quantised, sparse or on a special device)")
        default: return nil
        }
    }

    private init(
        arguments: Pickle.Reference, in pickle: Pickle, storage: (String) -> Range<Int>?
    ) throws(ModelFileError) {
        guard let values = pickle.elements(arguments), values.count >= 4, case .persistent(let identifier) = pickle[values[0]],
            let offset = pickle.integer(values[1]), offset >= 0, let shape = pickle.integers(values[2]),
            let strides = pickle.integers(values[3]), shape.count == strides.count, strides.allSatisfy({ $0 >= 0 })
        else { throw .malformed("a saved tensor lacks a storage, offset, size or stride") }
        guard let count = ModelFiles.elementCount(of: shape) else { throw .malformed("a saved tensor has an impossible size \(shape)") }
        let description = try Storage(identifier, in: pickle)
        guard let bytes = storage(description.key) else {
            throw .malformed("storage \(quoted(description.key)) of a saved tensor is not in the file")
        }
        let held = bytes.count / description.type.byteCount
        // The furthest element used, counted from the start of the storage.
        var last = offset
        var overflow = false
        if count > 0 {
            for (size, stride) in Swift.zip(shape, strides) {
                let (reach, first) = (size - 1).multipliedReportingOverflow(by: stride)
                let (sum, second) = last.addingReportingOverflow(reach)
                (last, overflow) = (sum, overflow || first || second)
            }
        }
        let (start, third) = offset.addingReportingOverflow(description.viewOffset)
        let (end, fourth) = last.addingReportingOverflow(description.viewOffset)
        guard !overflow, !third, !fourth, count == 0 || end < held else {
            throw .malformed("a saved tensor of size \(shape) reaches beyond its storage of \(held) elements")
        }
        guard count <= held else {
            throw .unsupported("a saved tensor of size \(shape) repeats a storage of \(held) elements; save a contiguous copy of it")
        }
        dtype = description.type
        self.shape = shape
        self.strides = strides
        elementCount = count
        let first = bytes.lowerBound + (count == 0 ? 0 : start * dtype.byteCount)
        byteRange = first..<(count == 0 ? first : bytes.lowerBound + (end + 1) * dtype.byteCount)
    }

    /// The element type of every storage that the pickle mentions, by key.
    static func storageTypes(in pickle: Pickle) -> [String: ElementType] {
        var types: [String: ElementType] = [:]
        for case .persistent(let identifier) in pickle.nodes {
            if let storage = try? Storage(identifier, in: pickle) { types[storage.key] = storage.type }
        }
        return types
    }
}

/// A storage's persistent identifier: `("storage", type, key, location, count)` and, in legacy files, a view `(key, offset, count)`.
private struct Storage {
    private static let types: [String: ElementType] = [
        "DoubleStorage": .float64, "FloatStorage": .float32, "HalfStorage": .float16, "BFloat16Storage": .bfloat16,
        "LongStorage": .int64, "IntStorage": .int32, "ShortStorage": .int16, "CharStorage": .int8, "ByteStorage": .uint8,
        "BoolStorage": .bool,
    ]

    let key: String
    let type: ElementType
    /// Elements between the start of the storage and the start of the view of it.
    let viewOffset: Int

    init(_ identifier: Pickle.Reference, in pickle: Pickle) throws(ModelFileError) {
        guard let values = pickle.elements(identifier), values.count >= 5, pickle.text(values[0]) == "storage",
            case .symbol(let module, let name) = pickle[values[1]], let key = pickle.text(values[2])
        else { throw .malformed("a saved tensor names its storage in an unknown way") }
        guard module == "torch" || module == "torch.cuda", let type = Self.types[name] else {
            throw .unsupported("a tensor is stored as \(quoted(module + "." + name)), which is not supported")
        }
        var viewOffset = 0
        if values.count > 5, let view = pickle.elements(values[5]) {
            guard view.count == 3, let offset = pickle.integer(view[1]), offset >= 0 else {
                throw .malformed("a saved tensor has a storage view without an offset")
            }
            viewOffset = offset
        }
        (self.key, self.type, self.viewOffset) = (key, type, viewOffset)
    }
}
