// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import StableDiffusion

struct ModelRandomCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "random", abstract: "Writes a model of full size with random weights, to measure speed without anyone's weights.")

    @Argument(help: "The family: sd15 or sd21.") var family: RandomModel.Family
    @Argument(help: "The folder to make.") var folder: String
    @Flag(help: "Write half precision (1.9 GB instead of 3.9 GB for sd15).") var half = false
    @Option(help: "Seed of the weights.") var seed: UInt64 = 0
    @OptionGroup var compute: ComputeOptions

    func run() throws {
        compute.apply()
        StopSignal.install()
        do {
            try RandomModel.write(family, to: folder, isHalf: half, seed: seed) { StopSignal.isReceived }
        } catch is CancellationError {
            throw CommandLineError(.interrupted, "interrupted; there is no \(folder)")
        }
        print("wrote a random \(family.rawValue) model to \(folder)")
    }
}

extension RandomModel.Family: ExpressibleByArgument {}
