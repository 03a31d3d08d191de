// SPDX-License-Identifier: Apache-2.0
private import Foundation

extension ModelFolder {
    /// The files of the folder that this engine reads, relative to it: with copies of them elsewhere everything works as here.
    package func files() throws -> [String] {
        let required = [
            "text_encoder/config.json", "unet/config.json", "vae/config.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json",
            "tokenizer/merges.txt",
        ]
        for file in required where !FileManager.default.fileExists(atPath: path + "/" + file) {
            throw ModelError("\(path): has no \(file); the model is incomplete")
        }
        let optional = ["tokenizer/tokenizer_config.json", "tokenizer/special_tokens_map.json", "tokenizer/added_tokens.json"]
        return try required + optional.filter { FileManager.default.fileExists(atPath: path + "/" + $0) } + weightFiles().map(relative)
    }

    /// The autoencoder's weights among `files()`: what training needs no longer once the pictures are encoded.
    package func autoencoderWeights() throws -> String { relative(try autoencoderWeightFile()) }

    private func relative(_ file: String) -> String { String(file.dropFirst(path.count + 1)) }
}
