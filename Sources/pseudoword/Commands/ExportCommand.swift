// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Checkpoints
import Fleet
import Foundation
import ModelFiles
import StableDiffusion
import Studies

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Writes the learned word as files that AUTOMATIC1111, ComfyUI and diffusers load.",
        discussion: """
            Works also while training goes on. STUDY is a study's name, its .pseudoword folder, or a checkpoint .h5 file. A name is looked for \
            in the home on this machine and, with --coordinator or when there is no such home, asked of the coordinator.
            """)

    @Argument(help: "The study: a name, a home folder with one study, or a checkpoint file.") var study: String
    @OptionGroup var connection: CoordinatorOption
    @Option(help: "The trial: a number, or best for the one with the lowest evaluation loss.") var trial = TrialChoice.best
    @Option(help: "Which vectors: best (lowest evaluation loss) or last.") var vectors = Choice.best
    @Option(help: "a1111 (.pt and .safetensors), comfyui (.safetensors), diffusers (learned_embeds.safetensors) or all.") var format =
        Format.all
    @Option(name: .customShort("o"), help: ArgumentHelp("The folder to write to.", valueName: "folder")) var output = "."

    enum Choice: String, ExpressibleByArgument, CaseIterable { case best, last }
    enum Format: String, ExpressibleByArgument, CaseIterable { case a1111, comfyui, diffusers, all }

    func run() throws {
        let checkpoint = try find()
        let settings = try Study(json: checkpoint.hyperparameters, source: "the checkpoint's study")
        let chosen = vectors == .best ? checkpoint.best ?? checkpoint.embedding : checkpoint.embedding
        let step = vectors == .best ? checkpoint.bestStep ?? checkpoint.optimizer.step : checkpoint.optimizer.step
        let name = settings.pseudoword.name
        let file = EmbeddingFile(
            name: name, token: "<\(name)>", rows: chosen.count, width: chosen.width, values: chosen.values, step: step,
            modelHash: String(checkpoint.modelDigest.prefix(10)), modelName: URL(fileURLWithPath: settings.model).lastPathComponent)
        do {
            try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        } catch {
            throw CommandLineError("\(output): cannot make this folder; choose another with -o")
        }
        var written: [String] = []
        func write(_ fileName: String, _ body: (String) throws -> Void) throws {
            let path = (output as NSString).appendingPathComponent(fileName)
            try body(path)
            written.append(path)
        }
        if format == .a1111 || format == .all { try write(name + ".pt") { try file.writeAutomatic1111(to: $0) } }
        if format != .diffusers { try write(name + ".safetensors") { try writeSafeTensors(file, settings, to: $0) } }
        if format == .diffusers || format == .all { try write("learned_embeds.safetensors") { try file.writeDiffusers(to: $0) } }
        print("\(chosen.count) vectors of width \(chosen.width) after step \(step):")
        for path in written { print("  \(path)") }
    }

    private func find() throws -> Checkpoint {
        if connection.coordinator == nil, let found = try CheckpointLocation.find(study, home: connection.home, trial: trial) {
            return found
        }
        let answer = try connection.client().checkpoint(study: study, trial: trial.number)
        if trial.number == nil, answer.trial > 0 { announce("trial \(answer.trial) has the lowest evaluation loss") }
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("pseudoword-\(UUID().uuidString).h5")
        defer { try? FileManager.default.removeItem(at: path) }
        do {
            try answer.file.write(to: path)
        } catch {
            throw CommandLineError("\(path.path): cannot be written; free some space or set TMPDIR")
        }
        return try Checkpoint.read(from: path.path)
    }

    private func writeSafeTensors(_ file: EmbeddingFile, _ study: Study, to path: String) throws {
        // What the model says counts; when it is not on this machine, the width tells the family.
        let prediction = try? ModelLocation.folder(study.model).noiseSchedule().predictionType
        let isV = prediction == .vPrediction
        let architecture: EmbeddingFile.Architecture =
            file.width == 1024 ? (isV ? .stableDiffusion2V : .stableDiffusion2) : .stableDiffusion1
        let native = (try? ModelLocation.folder(study.model).nativeResolution()) ?? 512
        let size = study.data.resolution.map { ($0.width, $0.height) } ?? (native, native)
        try file.writeSafeTensors(to: path, architecture: architecture, resolution: size, predictionType: isV ? "v" : "epsilon")
    }
}

/// A trial by its number, or the best.
enum TrialChoice: ExpressibleByArgument, Equatable {
    case best
    case index(Int)

    init?(argument: String) {
        if argument == "best" {
            self = .best
        } else if let number = Int(argument), number >= 0 {
            self = .index(number)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String { "best" }

    var number: Int? {
        if case .index(let number) = self { number } else { nil }
    }
}
