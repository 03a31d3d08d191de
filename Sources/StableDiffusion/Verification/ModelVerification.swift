// SPDX-License-Identifier: Apache-2.0
private import ModelFiles
package import Tensors

/// Holds the engine against a file of tensors that PyTorch computed for the same model and inputs.
///
/// `scripts/make_reference.py` says what is in such a file. The whole chain is recomputed from its inputs: encoder, noise, text encoder,
/// UNet, loss, gradient of the pseudo-word, decoder.
package struct ModelVerification: Sendable {
    /// One output of the engine beside the reference's.
    package struct Comparison: Sendable {
        package let name: String
        /// |ours - reference| / |reference|, Euclidean norms over the whole tensor.
        package let relativeError: Double
        package let cosine: Double
        /// The largest relative error that passes.
        package let tolerance: Double
        package var passes: Bool { relativeError <= tolerance }
    }

    /// The largest relative errors.
    package struct Tolerance: Sendable {
        /// Of what the autoencoder and the text encoder give, always in f32.
        package let activation = 1e-4
        /// Of what the UNet gives, and of the loss.
        package let prediction: Double
        package let gradient: Double

        package init(_ precision: ProductPrecision) {
            // bf16 has a rounding error of 2e-3, which a hundred layers add up.
            (prediction, gradient) = precision == .f32 ? (1e-4, 1e-3) : (2e-2, 8e-2)
        }
    }

    private let model: ModelFolder
    private let precision: ProductPrecision
    private let file: SafeTensorsFile

    package init(model: ModelFolder, reference path: String, precision: ProductPrecision = .f32) throws {
        self.model = model
        self.precision = precision
        file = try SafeTensorsFile(path: path)
        guard file.metadata["family"] != "sdxl", file.tensor(named: "input_ids_2") == nil else {
            throw ModelError("\(path): is a reference for Stable Diffusion XL; this version verifies Stable Diffusion 1 and 2")
        }
    }

    /// Compares every output that the file holds, in the order in which they are computed.
    package func run() throws -> [Comparison] {
        var results: [Comparison] = []
        let limits = Tolerance(precision)
        func compare(_ name: String, _ ours: Tensor, tolerance: Double? = nil) throws {
            guard file.tensor(named: name) != nil else { return }
            let reference = try tensor(name, rank: ours.shape.count)
            guard reference.shape == ours.shape else {
                throw ModelError("\(file.path): \(name) has the shape \(reference.shape) (channels last), the model gives \(ours.shape)")
            }
            results.append(Self.comparison(name, ours, reference, tolerance: tolerance ?? limits.activation))
        }
        let schedule = try model.noiseSchedule()
        if let type = file.metadata["prediction_type"], type != schedule.predictionType.rawValue {
            throw ModelError("\(file.path): was made for prediction type \(type), the model has \(schedule.predictionType.rawValue)")
        }
        let autoencoder = try model.autoencoderConfiguration()
        let moments = try model.autoencoderEncoder().forward(pictures(multipleOf: autoencoder.reduction))
        try compare("posterior_mean", moments.mean)
        try compare("posterior_logvar", moments.logVariance)
        let posteriorNoise = try tensor("posterior_noise", rank: 4)
        guard posteriorNoise.shape == moments.mean.shape else {
            throw ModelError("\(file.path): posterior_noise \(posteriorNoise.shape) does not fit latents \(moments.mean.shape)")
        }
        let latents = moments.latents(noise: posteriorNoise, scalingFactor: autoencoder.scalingFactor)
        try compare("latents", latents)
        let timesteps = try file.integers(named: "timesteps"), noise = try tensor("noise", rank: 4)
        guard timesteps.count == latents.shape[0], noise.shape == latents.shape,
            timesteps.allSatisfy({ (0..<schedule.timestepCount).contains($0) })
        else { throw ModelError("\(file.path): timesteps \(timesteps) or noise \(noise.shape) do not fit latents \(latents.shape)") }
        let noisy = schedule.noisyLatents(latents, noise: noise, timesteps: timesteps)
        try compare("noisy_latents", noisy)
        let encoder = try model.textEncoder(), vectors = try tensor("embedding", rank: 2)
        let tokens = try tokenRows(encoder, vectors, batch: timesteps.count)
        var savedText: TextEncoder.Saved?
        let context = encoder.forward(tokens, learned: vectors, saving: &savedText)
        try compare("encoder_hidden_states", context)
        let unet = try model.unet(precision)
        var savedUNet: UNet.Saved?
        let prediction = unet.forward(noisy, timesteps: timesteps, context: context, saving: &savedUNet)
        try compare("noise_prediction", prediction, tolerance: limits.prediction)
        let target = schedule.target(latents, noise: noise, timesteps: timesteps)
        try compare("target", target)
        let losses = MeanSquaredError.forward(prediction, target)
        try compare("loss_per_sample", Tensor(losses.map(Float.init), shape: [losses.count]), tolerance: limits.prediction)
        let mean = Float(losses.reduce(0, +) / Double(losses.count))
        try compare("loss", Tensor([mean], shape: []), tolerance: limits.prediction)
        let outputGradient = MeanSquaredError.inputGradient(prediction, target, factor: 1 / Float(losses.count))
        if let savedText, let contextGradient = unet.contextGradient(outputGradient, &savedUNet) {
            let gradient = encoder.learnedGradient(contextGradient, savedText, vectors: vectors.shape[0])
            try compare("embedding_gradient", gradient, tolerance: limits.gradient)
        }
        if file.tensor(named: "decoded") != nil { try compare("decoded", model.autoencoderDecoder().forward(latents)) }
        return results
    }

    private func pictures(multipleOf side: Int) throws -> Tensor {
        let pictures = try tensor("pixel_values", rank: 4), shape = pictures.shape
        guard shape[0] >= 1, shape[3] == 3, shape[1...2].allSatisfy({ $0 >= side && $0 % side == 0 }) else {
            throw ModelError("\(file.path): pixel_values has the shape \(shape) (channels last), expected [batch, multiples of \(side), 3]")
        }
        return pictures
    }

    private func tokenRows(_ encoder: TextEncoder, _ vectors: Tensor, batch: Int) throws -> [[Int]] {
        guard let shape = file.tensor(named: "input_ids")?.shape, shape.count == 2, shape[0] == batch, shape[1] >= 1 else {
            throw ModelError("\(file.path): has no input_ids of shape [\(batch), 77]")
        }
        let ids = try file.integers(named: "input_ids"), limit = encoder.configuration.vocabularySize + vectors.shape[0]
        guard ids.allSatisfy({ (0..<limit).contains($0) }), shape[1] <= encoder.configuration.maximumLength, vectors.width == encoder.width
        else {
            throw ModelError("\(file.path): input_ids or embedding do not fit a text encoder of \(limit) ids and width \(encoder.width)")
        }
        return (0..<shape[0]).map { Array(ids[$0 * shape[1]..<($0 + 1) * shape[1]]) }
    }

    /// A tensor of the file; pictures and latents ([N, C, H, W]) are brought to channels last.
    private func tensor(_ name: String, rank: Int) throws -> Tensor {
        guard let entry = file.tensor(named: name) else {
            throw ModelError("\(file.path): has no tensor \(name); make it with scripts/make_reference.py")
        }
        guard entry.shape.count == rank else {
            throw ModelError("\(file.path): \(name) has the shape \(entry.shape), expected \(rank) dimensions")
        }
        let tensor = try Tensor(shape: entry.shape) { try file.copyFloats(named: name, into: $0) }
        return rank == 4 ? tensor.movingSecondAxisLast() : tensor
    }

    private static func comparison(_ name: String, _ ours: Tensor, _ reference: Tensor, tolerance: Double) -> Comparison {
        var (difference, norm, own, dot) = (0.0, 0.0, 0.0, 0.0)
        ours.withValues { ours in
            reference.withValues { reference in
                for (a, b) in zip(ours, reference) {
                    let (x, y) = (Double(a), Double(b))
                    difference += (x - y) * (x - y)
                    norm += y * y
                    own += x * x
                    dot += x * y
                }
            }
        }
        let error = (difference / max(norm, .leastNormalMagnitude)).squareRoot()
        let cosine = dot / max((norm * own).squareRoot(), .leastNormalMagnitude)
        return Comparison(name: name, relativeError: error.isNaN ? .infinity : error, cosine: cosine, tolerance: tolerance)
    }
}
