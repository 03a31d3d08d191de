// SPDX-License-Identifier: Apache-2.0
private import Foundation
private import ModelFiles
private import Tensors

/// Writes a model folder with random weights at the size of a published model.
package enum RandomModel {
    package enum Family: String, CaseIterable, Sendable {
        case sd15, sd21
    }

    /// Weights are normal with the deviation 1 / sqrt(inputs), norms are one and biases zero, so that activations keep their size.
    ///
    /// The folder gets its name when it is whole. Until then it is called `.NAME.partial` beside it, which is removed when something fails.
    /// - Parameter isCancelled: asked before each tensor; then a `CancellationError` is thrown.
    package static func write(
        _ family: Family, to folder: String, isHalf: Bool, seed: UInt64, isCancelled: () -> Bool = { false }
    ) throws {
        guard !FileManager.default.fileExists(atPath: folder) else {
            throw ModelError("\(folder): exists already; choose a folder that does not")
        }
        let target = URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL
        let partial = target.deletingLastPathComponent().appendingPathComponent(".\(target.lastPathComponent).partial").path
        do {
            // What a program left that was killed while it wrote the same folder.
            try? FileManager.default.removeItem(atPath: partial)
            try writeParts(family, to: partial, isHalf: isHalf, seed: seed, isCancelled)
            guard rename(partial, target.path) == 0 else {
                throw ModelError("\(folder): cannot be made: \(String(cString: strerror(errno)))")
            }
        } catch {
            // Half a model is of no use to anyone.
            try? FileManager.default.removeItem(atPath: partial)
            throw error
        }
    }

    private static func writeParts(
        _ family: Family, to folder: String, isHalf: Bool, seed: UInt64, _ isCancelled: () -> Bool
    ) throws {
        for part in ["text_encoder", "unet", "vae", "scheduler"] {
            do {
                try FileManager.default.createDirectory(atPath: folder + "/" + part, withIntermediateDirectories: true)
            } catch {
                throw ModelError("\(folder)/\(part): cannot be made; is there room, and may you write there?")
            }
        }
        try write(textEncoder(family), to: folder + "/text_encoder/config.json")
        try write(unet(family), to: folder + "/unet/config.json")
        try write(autoencoder, to: folder + "/vae/config.json")
        try write(scheduler(family), to: folder + "/scheduler/scheduler_config.json")
        let model = try ModelFolder(path: folder)
        func save(_ part: String, _ file: String, _ build: (Parameters) throws -> Void) throws {
            let list = ParameterList()
            try build(Parameters(list))
            let shapes = Dictionary(uniqueKeysWithValues: list.entries.enumerated().map { ($1.name, (place: $0, shape: $1.shape)) })
            try SafeTensorsWriter.write(
                list.entries.map { .init(name: $0.name, shape: $0.shape) }, as: isHalf ? .float16 : .float32,
                to: folder + "/" + part + "/" + file
            ) { name in
                if isCancelled() { throw CancellationError() }
                guard let entry = shapes[name] else { return [] }
                return weights(name, entry.shape, draws: RandomDraws(seed: seed, step: entry.place, stream: .weights))
            }
        }
        try save("text_encoder", "model.safetensors") { _ = try TextEncoder(model.textEncoderConfiguration(), $0) }
        try save("unet", "diffusion_pytorch_model.safetensors") { _ = try UNet(model.unetConfiguration(), $0) }
        try save("vae", "diffusion_pytorch_model.safetensors") {
            _ = try AutoencoderEncoder(model.autoencoderConfiguration(), $0)
            _ = try AutoencoderDecoder(model.autoencoderConfiguration(), $0)
        }
    }

    private static func weights(_ name: String, _ shape: [Int], draws: RandomDraws) -> [Float] {
        let count = shape.reduce(1, *)
        if name.hasSuffix("bias") { return [Float](repeating: 0, count: count) }
        if shape.count == 1 { return [Float](repeating: 1, count: count) }
        let deviation = name.contains("embedding") ? 0.02 : 1 / Float(shape.dropFirst().reduce(1, *)).squareRoot()
        // One normal draw for every 16384 weights would show; a block of them repeated with another sign pattern does not, and is fast.
        let block = draws.normals(min(count, 65_536))
        return (0..<count).map { index in
            let turn = index / block.count, value = block[(index + turn * 7919) % block.count]
            return turn % 2 == 0 ? value * deviation : -value * deviation
        }
    }

    private static func write(_ json: [String: Any], to path: String) throws {
        let data = try JSONSerialization.data(withJSONObject: json, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        let file = try AtomicFile(path: path)
        try file.append(Array(data))
        try file.commit()
    }

    private static func textEncoder(_ family: Family) -> [String: Any] {
        let large = family == .sd21
        return [
            "vocab_size": 49408, "hidden_size": large ? 1024 : 768, "intermediate_size": large ? 4096 : 3072,
            "num_hidden_layers": large ? 23 : 12, "num_attention_heads": large ? 16 : 12, "max_position_embeddings": 77,
            "hidden_act": large ? "gelu" : "quick_gelu", "layer_norm_eps": 1e-5, "bos_token_id": 49406, "eos_token_id": 49407,
            "pad_token_id": 1, "model_type": "clip_text_model", "architectures": ["CLIPTextModel"],
        ]
    }

    private static func unet(_ family: Family) -> [String: Any] {
        let large = family == .sd21
        return [
            "_class_name": "UNet2DConditionModel", "sample_size": large ? 96 : 64, "in_channels": 4, "out_channels": 4,
            "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "norm_num_groups": 32,
            "cross_attention_dim": large ? 1024 : 768, "attention_head_dim": large ? [5, 10, 20, 20] : 8,
            "use_linear_projection": large,
            "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        ]
    }

    private static var autoencoder: [String: Any] {
        [
            "_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 4,
            "norm_num_groups": 32, "sample_size": 512, "scaling_factor": 0.18215, "in_channels": 3, "out_channels": 3,
            "down_block_types": Array(repeating: "DownEncoderBlock2D", count: 4),
            "up_block_types": Array(repeating: "UpDecoderBlock2D", count: 4),
        ]
    }

    private static func scheduler(_ family: Family) -> [String: Any] {
        [
            "_class_name": "DDPMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
            "num_train_timesteps": 1000, "prediction_type": family == .sd21 ? "v_prediction" : "epsilon", "clip_sample": false,
        ]
    }
}
