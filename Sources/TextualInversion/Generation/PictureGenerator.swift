// SPDX-License-Identifier: Apache-2.0
private import ModelFiles
package import Pictures
package import StableDiffusion
package import Studies
private import Tensors

/// Renders pictures from prompts with DDIM and classifier-free guidance, to see what a word means to the model.
package struct PictureGenerator: Sendable {
    package struct Settings: Sendable {
        package var steps = 30
        package var guidanceScale: Float = 5
        package var seed: UInt64 = 0
        package var negativePrompt = ""
        package var size: PictureSize?

        package init() {}
    }

    private let textEncoder: TextEncoder
    private let unet: UNet
    private let decoder: AutoencoderDecoder
    private let schedule: NoiseSchedule
    private let encoder: PromptEncoder
    private let files: FileWatch
    private let reduction: Int, nativeResolution: Int

    package init(_ folder: ModelFolder) throws {
        let files = try FileWatch(folder.weightFiles())
        let textEncoder = try folder.textEncoder()
        try self.init(
            textEncoder: textEncoder, unet: folder.unet(), schedule: folder.noiseSchedule(),
            encoder: PromptEncoder(tokenizer: folder.tokenizer(), configuration: textEncoder.configuration), folder: folder,
            files: files)
    }

    /// With a model that is in memory already; only the autoencoder's decoder is read.
    package init(_ loaded: LoadedModel, folder: ModelFolder) throws {
        let model = loaded.model
        try self.init(
            textEncoder: model.textEncoder, unet: model.unet, schedule: model.schedule, encoder: loaded.encoder, folder: folder,
            files: FileWatch([folder.autoencoderWeightFile()]))
    }

    private init(
        textEncoder: TextEncoder, unet: UNet, schedule: NoiseSchedule, encoder: PromptEncoder, folder: ModelFolder,
        files: FileWatch
    ) throws {
        self.textEncoder = textEncoder
        self.unet = unet
        self.schedule = schedule
        self.encoder = encoder
        self.files = files
        decoder = try folder.autoencoderDecoder()
        reduction = try folder.autoencoderConfiguration().reduction
        nativeResolution = try folder.nativeResolution()
    }

    package var width: Int { textEncoder.width }

    /// One picture; the noise is that of `number` for the seed, whatever the prompt.
    package func generate(_ prompt: String, word: PseudoWord?, settings: Settings, number: Int = 0) throws -> Picture {
        guard (1...schedule.timestepCount).contains(settings.steps) else {
            throw InversionError(.input, "\(settings.steps) sampling steps; this model has 1 to \(schedule.timestepCount)")
        }
        let size = settings.size ?? PictureSize(width: nativeResolution, height: nativeResolution)
        guard size.width % reduction == 0, size.height % reduction == 0, size.width > 0, size.height > 0,
            max(size.width, size.height) <= 4096
        else {
            throw InversionError(
                .input, "a picture of \(size.width) x \(size.height): this model takes multiples of \(reduction) up to 4096")
        }
        let tokens = try [
            encoder.encode(settings.negativePrompt, word: word.map { ($0.name, $0.count) }, requiresWord: false),
            encoder.encode(prompt, word: word.map { ($0.name, $0.count) }, requiresWord: false),
        ]
        let context = textEncoder.forward(tokens, learned: word?.vectors)
        let sampler = DDIMSampler(schedule, steps: settings.steps)
        var latents = RandomDraws(seed: settings.seed, sample: number, stream: .sampler)
            .normalTensor([1, size.height / reduction, size.width / reduction, 4])
        for timestep in sampler.timesteps {
            let prediction = unet.forward(Tensor(stacking: [latents, latents]), timesteps: [timestep, timestep], context: context)
            latents = sampler.step(
                latents, noisePrediction: Guidance.combine(prediction, scale: settings.guidanceScale), timestep: timestep)
        }
        // First, for what comes of a file that is being written is no word's fault.
        try files.check()
        guard latents.isFinite else { throw InversionError(.numeric, "the latents of \"\(prompt)\" are not finite") }
        let pixels = decoder.forward(latents)
        try files.check()
        return Picture(channelsLast: pixels.values, width: size.width, height: size.height)
    }
}
