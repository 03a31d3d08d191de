// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import StableDiffusion
import Studies
import Tensors
import TextualInversion

struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Looks at models and holds the engine against PyTorch.",
        subcommands: [ModelShowCommand.self, ModelVerifyCommand.self, ModelRandomCommand.self])
}

struct ModelVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compares what the engine computes for a model with a file of PyTorch's results.",
        discussion: "scripts/make_reference.py writes such a file. Exits with 1 if any output is outside tolerance.")

    @Argument(help: "A model folder in diffusers layout, or starter.") var model: String
    @Argument(help: "The reference, a .safetensors file.") var reference: String
    @Option(help: "Precision to verify: f32, bf16 or auto.") var precision = Precision.f32
    @Option(help: "text or json.") var output = OutputFormat.text
    @OptionGroup var compute: ComputeOptions

    struct Report: Encodable {
        struct Row: Encodable {
            let name: String, relativeError: Double, cosine: Double, tolerance: Double, passed: Bool
        }
        let schemaVersion = 1
        let model: String, reference: String, precision: String
        let passed: Bool
        let outputs: [Row]
    }

    func run() throws {
        compute.apply()
        let folder = try ModelLocation.folder(model)
        let products = try precision.ofProducts()
        let results = try ModelVerification(model: folder, reference: reference, precision: products).run()
        let passed = !results.isEmpty && results.allSatisfy(\.passes)
        switch output {
        case .json:
            try Report(
                model: model, reference: reference, precision: products.rawValue, passed: passed,
                outputs: results.map {
                    .init(name: $0.name, relativeError: $0.relativeError, cosine: $0.cosine, tolerance: $0.tolerance, passed: $0.passes)
                }
            ).printAsJSON()
        case .text:
            print("output".padded(to: 24) + "relative error  cosine      tolerance")
            for row in results {
                print(
                    row.name.padded(to: 24) + scientific(row.relativeError).padded(to: 16) + formatted(row.cosine, digits: 8).padded(to: 12)
                        + scientific(row.tolerance) + (row.passes ? "" : "  OUTSIDE TOLERANCE"))
            }
            print(passed ? "verified: \(results.count) outputs within tolerance" : "NOT verified")
        }
        if !passed { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
