// SPDX-License-Identifier: Apache-2.0
package import ModelFiles
package import StableDiffusion
package import Studies
package import Tensors

/// A placeholder word and its learned vectors.
package struct PseudoWord: Sendable {
    package let name: String
    /// [V, D], V from 1 to 75.
    package let vectors: Tensor

    package var count: Int { vectors.shape[0] }

    package init(name: String, vectors: Tensor) {
        precondition(vectors.shape.count == 2 && (1...75).contains(vectors.shape[0]), "pseudo-word of shape \(vectors.shape)")
        self.name = name
        self.vectors = vectors
    }

    /// The word in an embedding file; the file's own name counts before `fallback`.
    ///
    /// - Throws: `InversionError` when its width is not the text encoder's.
    package init(_ file: EmbeddingFile, path: String, name: String, width: Int) throws {
        guard file.width == width else {
            throw InversionError(.input, "\(path): vectors of width \(file.width) do not fit a text encoder of width \(width)")
        }
        guard (1...75).contains(file.rows) else {
            throw InversionError(.input, "\(path): holds \(file.rows) vectors; a prompt has room for 1 to 75")
        }
        self.init(name: name, vectors: Tensor(file.values, shape: [file.rows, file.width]))
    }
}

/// First vectors of a pseudo-word.
package enum Initializer {
    /// The vectors that a study's `init` asks for.
    ///
    /// - Parameter draws: for `random`; normal numbers with the standard deviation of the token table.
    package static func vectors(
        _ initialization: Initialization, count: Int, tokenizer: CLIPTokenizer, embedding: Embedding, draws: RandomDraws
    ) throws -> Tensor {
        let width = embedding.width
        switch initialization {
        case .zeros: return Tensor(zeros: [count, width])
        case .text(let text): return try rows(of: text, count: count, tokenizer: tokenizer, embedding: embedding)
        case .random:
            let deviation = embedding.table.widened().withValues { values in
                (values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(max(1, values.count))).squareRoot()
            }
            return Tensor(draws.normals(count * width).map { $0 * Float(deviation) }, shape: [count, width])
        case .file(let path):
            let word = try PseudoWord(EmbeddingFile.read(path: path), path: path, name: "", width: width)
            guard word.count == count else {
                throw InversionError(.input, "\(path): holds \(word.count) vectors, the study asks for \(count) (pseudoword.vectors)")
            }
            return word.vectors
        }
    }

    /// The token rows of a text spread evenly: vector i is row i * L / V of the text's L tokens.
    package static func rows(of text: String, count: Int, tokenizer: CLIPTokenizer, embedding: Embedding) throws -> Tensor {
        let tokens = tokenizer.encode(text)
        guard !tokens.isEmpty else {
            throw InversionError(.input, "the init text \"\(text)\" has no tokens; give a word, or init: zeros")
        }
        return embedding.forward((0..<count).map { tokens[$0 * tokens.count / count] }, learned: nil)
    }
}
