// SPDX-License-Identifier: Apache-2.0
private import Crypto
private import Foundation
package import StableDiffusion

/// SHA-256 of what decides a model's results: its configuration and weight files, in a fixed order.
package enum ModelDigest {
    package static func digest(of model: ModelFolder) throws -> String {
        var hash = SHA256()
        let configurations = ["text_encoder/config.json", "unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"]
        let vocabulary = ["tokenizer/vocab.json", "tokenizer/merges.txt"].map { model.path + "/" + $0 }
        for path in try configurations.map({ model.path + "/" + $0 }) + vocabulary + model.weightFiles() {
            guard let file = FileHandle(forReadingAtPath: path) else { throw InversionError(.input, "\(path): cannot be read") }
            defer { try? file.close() }
            while let part = try file.read(upToCount: 4 << 20), !part.isEmpty { hash.update(data: part) }
        }
        return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }
}
