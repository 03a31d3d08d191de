// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ModelFiles
import StableDiffusion
import TextualInversion

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Prints the fixed-set loss of a prompt on pictures: how well it describes them to the model.",
        discussion: "Pictures, noise and timesteps depend on the seed alone, so losses of different prompts and words can be compared.")

    @Option(help: "A model folder, or starter.") var model: String
    @Option(help: "A folder of pictures.") var pictures: String
    @Option(help: "The prompt; the word of --embedding stands where its name stands.") var prompt: String
    @OptionGroup var word: WordOptions
    @Option(help: "Samples of the fixed set.") var samples = 64
    @Option(help: "Seed of the fixed set.") var seed: UInt64 = 7
    @Option(help: "text or json.") var output = OutputFormat.text
    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        guard (1...100_000).contains(samples) else { throw ValidationError("--samples takes a number from 1 to 100000") }
    }

    struct Report: Encodable {
        let schemaVersion = 1
        let prompt: String, loss: Double, standardError: Double, samples: Int, seed: UInt64
    }

    func run() throws {
        compute.apply()
        let folder = try ModelLocation.folder(model)
        let result = try PromptEvaluation.evaluate(
            prompt: prompt, word: word.load(width: folder.textEncoderConfiguration().width), pictures: pictures, model: folder,
            samples: samples, seed: seed)
        switch output {
        case .json:
            try Report(prompt: prompt, loss: result.loss, standardError: result.standardError, samples: result.samples, seed: seed)
                .printAsJSON()
        case .text:
            print(
                "loss \(formatted(result.loss, digits: 6)) ± \(formatted(result.standardError, digits: 6)) (standard error, \(result.samples) samples)"
            )
        }
    }
}
