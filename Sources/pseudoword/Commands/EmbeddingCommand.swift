// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import ModelFiles
import StableDiffusion
import Studies
import Tensors
import TextualInversion

struct EmbeddingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embedding", abstract: "Makes and looks at embedding files.",
        subcommands: [EmbeddingCreateCommand.self, EmbeddingShowCommand.self])
}

struct EmbeddingCreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Writes an untrained embedding, initialised from a text as AUTOMATIC1111 does.")

    @Argument(help: "The word's name.") var name: String
    @Option(help: "A model folder, or starter.") var model: String
    @Option(help: "Number of vectors, 1 to 75.") var vectors = 1
    @Option(name: .customLong("init"), help: "Init text; an empty text gives zeros.") var initialText = "*"
    @Option(name: .shortAndLong, help: "The file to write, .pt or .safetensors.") var output: String
    @Flag(help: "Replace a file that is there.") var force = false

    func validate() throws {
        guard (1...75).contains(vectors) else { throw ValidationError("--vectors takes a number from 1 to 75") }
        guard output.hasSuffix(".pt") || output.hasSuffix(".safetensors") else {
            throw ValidationError("--output takes the name of a .pt or .safetensors file, not \(output)")
        }
    }

    func run() throws {
        guard force || !FileManager.default.fileExists(atPath: output) else {
            throw CommandLineError("\(output): exists already; choose another name or say --force")
        }
        let folder = try ModelLocation.folder(model)
        let encoder = try folder.textEncoder(), tokenizer = try folder.tokenizer()
        try PromptEncoder(tokenizer: tokenizer, configuration: encoder.configuration).checkName(name)
        let values = try Initializer.vectors(
            initialText.isEmpty ? .zeros : .text(initialText), count: vectors, tokenizer: tokenizer, embedding: encoder.embedding,
            draws: RandomDraws(seed: 0, stream: .initialization))
        let file = EmbeddingFile(name: name, token: "<\(name)>", rows: vectors, width: encoder.width, values: values.values, step: 0)
        if output.hasSuffix(".pt") { try file.writeAutomatic1111(to: output) } else { try file.writeSafeTensors(to: output) }
        print("wrote \(output): \(vectors) vectors of width \(encoder.width)")
    }
}

struct EmbeddingShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Says what an embedding file holds, without executing anything in it.")

    @Argument(help: "A .pt, .bin or .safetensors file.") var file: String
    @Option(help: "text or json.") var output = OutputFormat.text

    struct Report: Encodable {
        let schemaVersion = 1
        let file: String, format: String, name: String, vectors: Int, width: Int, norms: [Double], automatic1111Checksum: String
        let step: Int?, model: String?, metadata: [String: String]
    }

    func run() throws {
        let embedding = try EmbeddingFile.read(path: file)
        let norms = embedding.vectors.map { row in row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
        let report = Report(
            file: file, format: embedding.format.rawValue, name: WordOptions.name(of: embedding, path: file), vectors: embedding.rows,
            width: embedding.width, norms: norms, automatic1111Checksum: embedding.automatic1111Checksum, step: embedding.step,
            model: embedding.modelName, metadata: embedding.metadata)
        guard output == .text else { return try report.printAsJSON() }
        print("\(file): \(report.format)")
        print("word      \(report.name)")
        print("vectors   \(report.vectors) of width \(report.width)")
        print("norms     " + norms.map { formatted($0) }.joined(separator: " "))
        print("checksum  \(report.automatic1111Checksum) (AUTOMATIC1111's)")
        if let step = report.step { print("step      \(step)") }
        if let model = report.model { print("model     \(model)") }
        for (key, value) in report.metadata.sorted(by: { $0.key < $1.key }) { print("\(key) = \(value)") }
    }
}
