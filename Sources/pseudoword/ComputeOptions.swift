// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FleetHosts
import Foundation
import StableDiffusion
import StarterModel
import Studies
import Tensors

/// How much memory to take for speed.
struct MemoryOption: ParsableArguments {
    @Option(help: "fast, or lean: a third to a half less memory for up to a tenth more time, and the same results.")
    var memory: Compute.Memory = Compute.memory
}

/// Options of every command that computes.
struct ComputeOptions: ParsableArguments {
    @Option(help: "Threads that compute (default: all cores that this process may use). Results do not depend on it.")
    var threads: Int?
    @OptionGroup var memory: MemoryOption

    func validate() throws {
        if let threads, !(1...256).contains(threads) { throw ValidationError("--threads takes a number from 1 to 256") }
    }

    func apply() {
        Compute.setThreads(threads ?? ProcessorCount.available)
        Compute.memory = memory.memory
    }
}

extension Compute.Memory: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// The model folder that a user's word for a model means.
enum ModelLocation {
    static func folder(_ name: String) throws -> ModelFolder {
        try ModelFolder(path: name == "starter" ? StarterModel.path : (name as NSString).expandingTildeInPath)
    }
}
