// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Pictures
import StableDiffusion
import Studies
import TextualInversion

struct GenerateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Renders pictures of a prompt, with or without a learned word.",
        discussion: """
            With --compare WORD every picture is rendered twice from the same noise: once with WORD in place of the learned word, once with \
            the learned word. Several --prompt options give several rows.
            """)

    @Option(help: "A model folder, or starter.") var model: String
    @OptionGroup var word: WordOptions
    @Option(name: .long, help: "What to draw; may be given several times.") var prompt: [String]
    @Option(name: .customLong("compare"), help: "Also render with this word instead of the learned one.") var comparison: String?
    @Option(help: "Pictures of each prompt.") var count = 1
    @Option(help: "Sampling steps.") var steps = 30
    @Option(help: "Guidance scale.") var guidance: Float = 5
    @Option(name: .customLong("negative"), help: "What not to draw.") var negativePrompt = ""
    @Option(help: "Seed of the noise.") var seed: UInt64 = 0
    @Option(help: "Width in pixels (default: the model's own).") var width: Int?
    @Option(help: "Height in pixels (default: the model's own).") var height: Int?
    @Option(name: .shortAndLong, help: "The picture to write, a .png.") var output: String
    @Option(help: "A line above the pictures when there are several.") var title = ""
    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        guard !prompt.isEmpty else { throw ValidationError("--prompt is missing") }
        guard (1...64).contains(count), prompt.count <= 64 else {
            throw ValidationError("--count and the number of prompts go from 1 to 64")
        }
        guard output.lowercased().hasSuffix(".png") else { throw ValidationError("--output takes the name of a .png file, not \(output)") }
        guard (1...1000).contains(steps) else { throw ValidationError("--steps takes a number from 1 to 1000") }
        guard guidance.isFinite, guidance >= 0, guidance <= 100 else { throw ValidationError("--guidance takes a number from 0 to 100") }
        guard (width == nil) == (height == nil) else { throw ValidationError("--width and --height belong together") }
        if comparison != nil && word.embedding == nil { throw ValidationError("--compare needs --embedding") }
    }

    func run() throws {
        compute.apply()
        try OutputFile.checkWritable(output)
        let folder = try ModelLocation.folder(model)
        let learned = try word.load(width: folder.textEncoderConfiguration().width)
        if let name = learned?.name, !(prompt + [negativePrompt]).contains(where: { PromptEncoder.holds(name, in: $0) }) {
            throw CommandLineError(
                .usage, "no prompt holds the word \"\(name)\" of --embedding; write [name] or \(name) where it should stand")
        }
        let generator = try PictureGenerator(folder)
        var settings = PictureGenerator.Settings()
        (settings.steps, settings.guidanceScale, settings.negativePrompt, settings.seed) = (steps, guidance, negativePrompt, seed)
        if let width, let height {
            let reduction = try folder.autoencoderConfiguration().reduction
            guard [width, height].allSatisfy({ $0 % reduction == 0 && (reduction...4096).contains($0) }) else {
                throw CommandLineError(.usage, "--width \(width) --height \(height): this model takes multiples of \(reduction) up to 4096")
            }
            settings.size = PictureSize(width: width, height: height)
        }
        func render(_ prompt: String) throws -> [Picture] {
            try (0..<count).map { try generator.generate(prompt, word: learned, settings: settings, number: $0) }
        }
        var rows: [ContactSheet.Row] = []
        for prompt in prompt {
            if let comparison, let name = learned?.name {
                let plain = PromptEncoder.replacing(name, in: prompt, with: comparison)
                rows.append(.init(label: plain, pictures: try render(plain)))
            }
            rows.append(.init(label: prompt, pictures: try render(prompt)))
        }
        if rows.count == 1, rows[0].pictures.count == 1 {
            try rows[0].pictures[0].writePNG(
                to: output, text: ["prompt": prompt[0], "seed": String(seed), "program": "pseudoword \(Program.version)"])
        } else {
            try sheet(rows).writePNG(to: output, text: ["program": "pseudoword \(Program.version)"])
        }
        print("wrote \(output)")
    }

    /// With --compare: one row of initial words above one row of learned words, a column for each prompt.
    private func sheet(_ rows: [ContactSheet.Row]) -> Picture {
        guard let comparison,
            let name = word.name ?? word.embedding.map({ URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent })
        else { return ContactSheet(title: title, rows: rows).rendered() }
        let pairs = stride(from: 0, to: rows.count - 1, by: 2).map { (before: rows[$0], after: rows[$0 + 1]) }
        let columns = prompt.flatMap { prompt in
            Array(repeating: PromptEncoder.replacing(name, in: prompt, with: "…").replacingOccurrences(of: "…", with: "_"), count: count)
        }
        return ContactSheet(
            title: title, columns: columns,
            rows: [
                .init(label: "before:\n\(comparison)", pictures: pairs.flatMap(\.before.pictures)),
                .init(label: "after:\n<\(name)>", pictures: pairs.flatMap(\.after.pictures)),
            ]
        ).rendered()
    }
}

/// Checks of a file that a long computation will write at its end.
enum OutputFile {
    static func checkWritable(_ path: String) throws {
        let folder = (path as NSString).deletingLastPathComponent
        guard FileManager.default.isWritableFile(atPath: folder.isEmpty ? "." : folder) else {
            throw CommandLineError(.failed, "\(path): its folder does not exist or cannot be written; make it first")
        }
        var isFolder: ObjCBool = false
        guard !(FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue) else {
            throw CommandLineError(.failed, "\(path): is a folder; give the name of a file in it")
        }
    }
}
