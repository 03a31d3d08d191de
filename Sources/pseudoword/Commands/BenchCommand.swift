// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import StableDiffusion
import Studies
import Tensors
import TextualInversion

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measures how fast this machine trains.",
        subcommands: [BenchStepCommand.self, BenchOperationsCommand.self])
}

struct BenchStepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step", abstract: "Times training steps of a model: in all and by phase.",
        discussion: "A step is one forward and backward pass of a batch of random latents, and the optimizer. No picture is encoded.")

    @Option(help: "A model folder, or starter.") var model = "starter"
    @Option(help: "Side of the pictures in pixels (default: the model's own).") var resolution: Int?
    @Option(help: "Samples computed in one pass.") var batch = 1
    @Option(help: "Timed steps.") var steps = 5
    @Option(help: "Untimed steps before.") var warmup = 1
    @Option(help: "Precision of the products: f32, bf16 or auto.") var precision = Precision.f32
    @Option(help: "text or json.") var output = OutputFormat.text
    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        guard (1...1024).contains(batch), (1...100_000).contains(steps), (0...1000).contains(warmup) else {
            throw ValidationError("--batch takes 1 to 1024, --steps 1 to 100000, --warmup 0 to 1000")
        }
    }

    struct Report: Encodable {
        struct Phases: Encodable { let textEncoder: Double, unetForward: Double, unetBackward: Double, optimizer: Double }
        let schemaVersion = 1
        let model: String, resolution: Int, batch: Int, threads: Int, steps: Int, precision: String, cpu: String
        let secondsPerStep: Double, fastestStep: Double
        let phases: Phases
        let gflopPerStep: Double, gflopsPerSecond: Double
        let peakResidentBytes: Int
        let loadSeconds: Double, loss: Double
    }

    func run() throws {
        compute.apply()
        let products = try precision.ofProducts()
        let folder = try ModelLocation.folder(model)
        let reduction = try folder.autoencoderConfiguration().reduction
        let side = try resolution ?? folder.nativeResolution()
        guard side % reduction == 0, (reduction...4096).contains(side) else {
            throw CommandLineError(.usage, "--resolution \(side): this model takes multiples of \(reduction) up to 4096")
        }
        let loading = ContinuousClock.now
        let inversion = try InversionModel(folder, products)
        let load = (ContinuousClock.now - loading) / .seconds(1)
        let bench = StepBenchmark(inversion, side: side / reduction, batch: batch)
        for number in 0..<warmup { _ = bench.step(number) }
        let results = (0..<steps).map { bench.step(warmup + $0) }
        let seconds = median(results.map { $0.phases.reduce(0, +) })
        let phases = TrainingPhase.allCases.map { phase in median(results.map { $0.phases[phase.rawValue] }) }
        let work = bench.gigaFLOP
        let report = Report(
            model: model, resolution: side, batch: batch, threads: Compute.threads, steps: steps, precision: products.rawValue,
            cpu: Compute.description,
            secondsPerStep: seconds, fastestStep: results.map { $0.phases.reduce(0, +) }.min() ?? seconds,
            phases: .init(textEncoder: phases[0], unetForward: phases[1], unetBackward: phases[2], optimizer: phases[3]),
            gflopPerStep: work, gflopsPerSecond: work / seconds, peakResidentBytes: Compute.peakResidentBytes, loadSeconds: load,
            loss: results.last?.loss ?? .nan)
        switch output {
        case .json: try report.printAsJSON()
        case .text: printText(report)
        }
    }

    private func printText(_ report: Report) {
        print(
            "\(report.model), \(report.resolution) px, batch \(report.batch), \(report.precision), \(report.threads) threads (\(report.cpu))"
        )
        print(
            "seconds per step   \(formatted(report.secondsPerStep)) (median of \(report.steps); fastest \(formatted(report.fastestStep)))"
        )
        print("  text encoder     \(formatted(report.phases.textEncoder))")
        print("  UNet forward     \(formatted(report.phases.unetForward))")
        print("  UNet backward    \(formatted(report.phases.unetBackward))")
        print("  optimizer        \(formatted(report.phases.optimizer))")
        print(
            "GFLOP/s            \(formatted(report.gflopsPerSecond, digits: 1)) (\(formatted(report.gflopPerStep, digits: 1)) GFLOP a step)"
        )
        print("peak memory        \(formatted(Double(report.peakResidentBytes) / 1e9, digits: 2)) GB")
    }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? .nan : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
