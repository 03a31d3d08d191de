// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import StableDiffusion

struct ModelShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Says what a model folder holds.")

    @Argument(help: "A model folder in diffusers layout, or starter.") var model: String
    @Option(help: "text or json.") var output = OutputFormat.text

    struct Report: Encodable {
        let schema_version = 1
        let path: String, prediction_type: String, resolution: Int
        let text_width: Int, text_layers: Int, vocabulary: Int
        let unet_channels: [Int], unet_parameters: Int
        let latent_reduction: Int, scaling_factor: Float, timesteps: Int
        let weight_files: [String]
    }

    func run() throws {
        let folder = try ModelLocation.folder(model)
        let (text, unet, autoencoder) = try (folder.textEncoderConfiguration(), folder.unetConfiguration(), folder.autoencoderConfiguration())
        let schedule = try folder.noiseSchedule()
        let list = ParameterList()
        _ = try UNet(unet, Parameters(list))
        let report = Report(
            path: folder.path, prediction_type: schedule.predictionType.rawValue, resolution: try folder.nativeResolution(),
            text_width: text.width, text_layers: text.layers, vocabulary: text.vocabularySize, unet_channels: unet.levels.map(\.channels),
            unet_parameters: list.entries.reduce(0) { $0 + $1.shape.reduce(1, *) }, latent_reduction: autoencoder.reduction,
            scaling_factor: autoencoder.scalingFactor, timesteps: schedule.timestepCount, weight_files: try folder.weightFiles())
        guard output == .text else { return try report.printAsJSON() }
        print(report.path)
        print("pictures       \(report.resolution) px, latents 1/\(report.latent_reduction), scaling factor \(report.scaling_factor)")
        print("prediction     \(report.prediction_type), \(report.timesteps) timesteps")
        print("text encoder   width \(report.text_width), \(report.text_layers) layers, \(report.vocabulary) tokens")
        print("UNet           channels \(report.unet_channels.map(String.init).joined(separator: " ")), \(formatted(Double(report.unet_parameters) / 1e6, digits: 1)) M parameters")
        for file in report.weight_files { print("weights        \(file)") }
    }
}
