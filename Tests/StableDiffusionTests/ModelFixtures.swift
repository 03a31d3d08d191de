// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import StableDiffusion
import Tensors
import Testing

/// The files of Tests/Fixtures/models, made by scripts/fixtures/make_model_fixtures.py.
enum ModelFixtures {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func path(_ name: String) -> String { root.appendingPathComponent("Tests/Fixtures/models/\(name)").path }

    static func model(_ name: String) throws -> ModelFolder { try ModelFolder(path: path(name)) }

    static var starter: ModelFolder {
        get throws { try ModelFolder(path: root.appendingPathComponent("Sources/StarterModel/model").path) }
    }

    /// A tensor of a safetensors file; [N, C, H, W] is brought to channels last.
    static func tensor(_ file: SafeTensorsFile, _ name: String) throws -> Tensor {
        let shape = try #require(file.tensor(named: name)).shape
        let tensor = Tensor(try file.floats(named: name), shape: shape)
        return shape.count == 4 ? tensor.movingSecondAxisLast() : tensor
    }

    /// |a - b| / |b| over all elements.
    static func relativeError(_ a: Tensor, _ b: Tensor) -> Double {
        guard a.shape == b.shape else { return .infinity }
        let (difference, size) = zip(a.values, b.values).reduce((0.0, 0.0)) { sums, pair in
            let (x, y) = (Double(pair.0), Double(pair.1))
            return (sums.0 + (x - y) * (x - y), sums.1 + y * y)
        }
        let error = (difference / size).squareRoot()
        return error.isNaN ? .infinity : error
    }
}

/// A copy of a fixture model that a test may spoil; it is removed with its last user.
final class ModelCopy {
    let path: String

    init(of name: String) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("pseudoword-model-\(UUID().uuidString)").path
        try FileManager.default.copyItem(atPath: ModelFixtures.path(name), toPath: path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Sets one key of a configuration file to a JSON value; `null` stays in the file as null.
    func set(_ file: String, _ key: String, to json: String) throws {
        let url = URL(fileURLWithPath: "\(path)/\(file)")
        var object = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        object[key] = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
        try JSONSerialization.data(withJSONObject: object).write(to: url)
    }

    /// Writes a weights file anew after `change` has been at its tensors.
    func rewrite(_ file: String, _ change: (inout [String: (shape: [Int], values: [Float])]) -> Void) throws {
        let source = try SafeTensorsFile(path: "\(path)/\(file)")
        var tensors: [String: (shape: [Int], values: [Float])] = [:]
        for name in source.names { tensors[name] = (try #require(source.tensor(named: name)).shape, try source.floats(named: name)) }
        change(&tensors)
        try SafeTensorsWriter.write(tensors: tensors.map { ($0.key, $0.value.shape, $0.value.values) }, to: "\(path)/\(file)")
    }

    /// Keeps only the first bytes of a file; negative counts leave out the last ones.
    func truncate(_ file: String, to count: Int) throws {
        let url = URL(fileURLWithPath: "\(path)/\(file)")
        let data = try Data(contentsOf: url)
        try data.prefix(count >= 0 ? count : data.count + count).write(to: url)
    }
}
