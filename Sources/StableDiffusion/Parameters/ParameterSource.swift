// SPDX-License-Identifier: Apache-2.0
private import ModelFiles
package import Tensors

/// Where a network's weights come from: a file, or a list that only records what is asked for.
package protocol ParameterSource: AnyObject {
    /// Whether the source holds a tensor of this key path.
    func holds(_ path: String) -> Bool
    /// The tensor at a key path, which must have the given shape.
    func tensor(_ path: String, shape: [Int]) throws -> Tensor
    /// The same as a frozen weight: [outputs, inputs] or [outputs, inputs, kernelHeight, kernelWidth].
    func weight(_ path: String, shape: [Int]) throws -> Weight
}

/// The tensors of one safetensors file, each taken once: small ones converted to f32, weights left in the mapped file.
package final class FileParameters: ParameterSource {
    private let hasValues: Bool
    private let file: SafeTensorsFile
    private var taken: Set<String> = []

    /// - Parameter readsValues: false to hold names and shapes against the file's header and read no weights.
    package init(path: String, readsValues: Bool = true) throws {
        file = try SafeTensorsFile(path: path)
        hasValues = readsValues
    }

    package func holds(_ path: String) -> Bool { file.tensor(named: path) != nil }

    package func tensor(_ path: String, shape: [Int]) throws -> Tensor {
        _ = try take(path, shape)
        guard hasValues else { return Tensor(placeholder: shape) }
        defer { file.releasePages(of: path) }
        return try Tensor(shape: shape) { try file.copyFloats(named: path, into: $0) }
    }

    package func weight(_ path: String, shape: [Int]) throws -> Weight {
        let entry = try take(path, shape)
        guard hasValues else { return Weight(placeholder: shape) }
        let element: Weight.Element
        switch entry.dtype {
        case .float32: element = .float32
        case .float16: element = .float16
        case .bfloat16: element = .bfloat16
        default:
            // Double precision is rounded once.
            let values = try Tensor(shape: shape) { try file.copyFloats(named: path, into: $0) }
            return Weight(shape.count == 4 ? values.movingSecondAxisLast() : values)
        }
        let (address, owner) = try file.mapped(named: path)
        return Weight(
            address, element, outputs: shape[0], inputs: shape[1], kernelHeight: shape.count == 4 ? shape[2] : 1,
            kernelWidth: shape.count == 4 ? shape[3] : 1, owner: owner)
    }

    private func take(_ path: String, _ shape: [Int]) throws -> TensorEntry {
        guard let entry = file.tensor(named: path) else {
            throw ModelError(
                "\(file.path): has no tensor \(path), expected with the shape \(shape); is it the model that its config.json describes?")
        }
        guard entry.shape == shape else {
            throw ModelError(
                "\(file.path): tensor \(path) has the shape \(entry.shape), expected \(shape); its config.json does not describe it")
        }
        guard entry.dtype.isFloatingPoint else {
            throw ModelError("\(file.path): tensor \(path) holds \(entry.dtype.rawValue), expected floating-point numbers")
        }
        taken.insert(path)
        return entry
    }

    /// Refuses a file with tensors that nothing asked for: a network built from it would not be the one that was saved.
    ///
    /// - Parameter ignoring: decides by key path which tensors are known to be of no use (buffers, a part that was not wanted).
    package func refuseUnused(ignoring: (String) -> Bool = { _ in false }) throws {
        let unused = file.names.filter { !taken.contains($0) && !ignoring($0) }
        guard let first = unused.first else { return }
        let shape = file.tensor(named: first)?.shape ?? []
        let others = unused.count > 1 ? " and \(unused.count - 1) more" : ""
        throw ModelError(
            "\(file.path): tensor \(first) of shape \(shape)\(others) has no place in the model that config.json describes (expected none)")
    }
}

/// Records names and shapes instead of reading weights; the tensors it gives out are never to be computed with.
package final class ParameterList: ParameterSource {
    package private(set) var entries: [(name: String, shape: [Int])] = []

    package init() {}

    package func holds(_ path: String) -> Bool { true }

    package func tensor(_ path: String, shape: [Int]) throws -> Tensor {
        entries.append((path, shape))
        return Tensor(placeholder: shape)
    }

    package func weight(_ path: String, shape: [Int]) throws -> Weight {
        entries.append((path, shape))
        return Weight(placeholder: shape)
    }
}
