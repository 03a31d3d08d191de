// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import ModelFiles
import TextualInversion

/// Options of every command that puts a learned word into a prompt.
struct WordOptions: ParsableArguments {
    @Option(help: "An embedding file (.pt, .bin or .safetensors) whose word the prompt may use.")
    var embedding: String?

    @Option(help: "The word's name in the prompt (default: the name inside the file, or the file's own).")
    var name: String?

    func load(width: Int) throws -> PseudoWord? {
        guard let embedding else { return nil }
        let file = try EmbeddingFile.read(path: embedding)
        return try PseudoWord(file, path: embedding, name: name ?? Self.name(of: file, path: embedding), width: width)
    }

    /// The name inside the file without the brackets of a placeholder token, otherwise the file's name.
    static func name(of file: EmbeddingFile, path: String) -> String {
        let inside = (file.name ?? file.token ?? "").trimmingCharacters(in: CharacterSet(charactersIn: "<>"))
        let generic = ["", "*", "emb_params", "emp_params"].contains(inside)
        return generic ? URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent : inside
    }
}
