// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import StableDiffusion

struct ModelShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Says what a model folder holds.")

    @Argument(help: "A model folder in diffusers layout, or starter.") var model: String
    @Option(help: "text or json.") var output = OutputFormat.text

    struct Report: Encodable {
        let schemaVersion = 1
        let path: String, predictionType: String, resolution: Int
        let textWidth: Int, textLayers: Int, vocabulary: Int
        let unetChannels: [Int], unetParameters: Int
        let latentReduction: Int, scalingFactor: Float, timesteps: Int
        let weightFiles: [String]
    }

    func run() throws {
        let folder = try ModelLocation.folder(model)
        let (text, unet, autoencoder) = try (
            folder.textEncoderConfiguration(), folder.unetConfiguration(), folder.autoencoderConfiguration()
        )
        let schedule = try folder.noiseSchedule()
        let list = ParameterList()
        _ = try UNet(unet, Parameters(list))
        let report = Report(
            path: folder.path, predictionType: schedule.predictionType.rawValue, resolution: try folder.nativeResolution(),
            textWidth: text.width, textLayers: text.layers, vocabulary: text.vocabularySize, unetChannels: unet.levels.map(\.channels),
            unetParameters: list.entries.reduce(0) { $0 + $1.shape.reduce(1, *) }, latentReduction: autoencoder.reduction,
            scalingFactor: autoencoder.scalingFactor, timesteps: schedule.timestepCount, weightFiles: try folder.weightFiles())
        guard output == .text else { return try report.printAsJSON() }
        print(report.path)
        print("pictures       \(report.resolution) px, latents 1/\(report.latentReduction), scaling factor \(report.scalingFactor)")
        print("prediction     \(report.predictionType), \(report.timesteps) timesteps")
        print("text encoder   width \(report.textWidth), \(report.textLayers) layers, \(report.vocabulary) tokens")
        print(
            "UNet           channels \(report.unetChannels.map(String.init).joined(separator: " ")), \(formatted(Double(report.unetParameters) / 1e6, digits: 1)) M parameters"
        )
        for file in report.weightFiles { print("weights        \(file)") }
    }
}
