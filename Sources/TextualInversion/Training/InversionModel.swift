// SPDX-License-Identifier: Apache-2.0
package import StableDiffusion
package import Tensors

/// The frozen parts of Stable Diffusion that textual inversion runs at every step.
package struct InversionModel: Sendable {
    package let textEncoder: TextEncoder
    package let unet: UNet
    package let schedule: NoiseSchedule

    package init(textEncoder: TextEncoder, unet: UNet, schedule: NoiseSchedule) {
        self.textEncoder = textEncoder
        self.unet = unet
        self.schedule = schedule
    }

    /// - Parameter precision: of the UNet's products; the text encoder, a sixtieth of the work, is f32.
    package init(_ folder: ModelFolder, _ precision: ProductPrecision = .f32) throws {
        try self.init(textEncoder: folder.textEncoder(), unet: folder.unet(precision), schedule: folder.noiseSchedule())
    }

    /// The losses of samples without gradient.
    package func losses(_ batch: NoisedBatch, vectors: Tensor?) -> [Double] {
        let context = textEncoder.forward(batch.tokens, learned: vectors)
        let prediction = unet.forward(batch.noisyLatents, timesteps: batch.timesteps, context: context)
        return MeanSquaredError.forward(prediction, batch.target)
    }

    /// The losses of samples and d(factor * sum of losses) / d vectors, [V, D].
    package func gradient(
        _ batch: NoisedBatch, vectors: Tensor, factor: Float, phase: (TrainingPhase) -> Void = { _ in }
    ) -> (losses: [Double], gradient: Tensor) {
        var savedText: TextEncoder.Saved?
        var savedUNet: UNet.Saved?
        phase(.textEncoder)
        let context = textEncoder.forward(batch.tokens, learned: vectors, saving: &savedText)
        phase(.unetForward)
        let prediction = unet.forward(batch.noisyLatents, timesteps: batch.timesteps, context: context, saving: &savedUNet)
        let losses = MeanSquaredError.forward(prediction, batch.target)
        phase(.unetBackward)
        let outputGradient = MeanSquaredError.inputGradient(prediction, batch.target, factor: factor)
        guard let savedText, let contextGradient = unet.contextGradient(outputGradient, &savedUNet) else {
            return (losses, Tensor(zeros: vectors.shape))
        }
        phase(.textEncoder)
        let gradient = textEncoder.learnedGradient(contextGradient, savedText, vectors: vectors.shape[0])
        phase(.optimizer)
        return (losses, gradient)
    }
}

/// The parts of a step that a benchmark tells apart.
package enum TrainingPhase: Int, CaseIterable, Sendable {
    case textEncoder, unetForward, unetBackward, optimizer
}

/// Samples made ready for the UNet.
package struct NoisedBatch: Sendable {
    package let tokens: [[Int]]
    /// [N, h, w, 4].
    package let noisyLatents: Tensor, target: Tensor
    package let timesteps: [Int]

    package init(schedule: NoiseSchedule, tokens: [[Int]], latents: Tensor, noise: Tensor, timesteps: [Int]) {
        self.tokens = tokens
        self.timesteps = timesteps
        noisyLatents = schedule.noisyLatents(latents, noise: noise, timesteps: timesteps)
        target = schedule.target(latents, noise: noise, timesteps: timesteps)
    }
}
