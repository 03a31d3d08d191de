// SPDX-License-Identifier: Apache-2.0

/// A textual-inversion embedding as the tools that train and load them store it: vectors and what is known about them.
package struct EmbeddingFile: Sendable, Equatable {
    /// The layout a file was read from.
    package enum Format: String, Sendable, Equatable, CaseIterable {
        /// AUTOMATIC1111's `.pt` (also the original textual inversion code's): `string_to_param` and more.
        case automatic1111
        /// kohya's `emb_params`, in a torch file or safetensors.
        case kohya
        /// OneTrainer's `emp_params`.
        case oneTrainer
        /// A dictionary of one tensor under the placeholder token.
        case diffusers
        /// A saved tensor and nothing else.
        case bareTensor
    }

    /// The name the trainer gave it; loaders mostly go by the file's name instead.
    package var name: String?
    /// The placeholder token, such as `<teal-heart>`.
    package var token: String?
    /// Number of vectors.
    package let rows: Int
    /// Floats per vector: 768 for Stable Diffusion 1, 1024 for 2.
    package let width: Int
    /// The vectors, row after row.
    package let values: [Float]
    /// Optimizer steps taken.
    package var step: Int?
    /// The first 10 hexadecimal digits of the SHA-256 of the model it was trained on.
    package var modelHash: String?
    package var modelName: String?
    /// The `__metadata__` of a safetensors file.
    package var metadata: [String: String]
    package var format: Format

    package init(
        name: String? = nil, token: String? = nil, rows: Int, width: Int, values: [Float], step: Int? = nil, modelHash: String? = nil,
        modelName: String? = nil, metadata: [String: String] = [:], format: Format = .automatic1111
    ) {
        precondition(rows > 0 && width > 0 && values.count == rows * width, "\(values.count) values for \(rows) vectors of \(width)")
        self.name = name
        self.token = token
        self.rows = rows
        self.width = width
        self.values = values
        self.step = step
        self.modelHash = modelHash
        self.modelName = modelName
        self.metadata = metadata
        self.format = format
    }

    /// The vectors one by one, each of `width` floats.
    package var vectors: [[Float]] {
        (0..<rows).map { Array(values[$0 * width..<($0 + 1) * width]) }
    }

    /// The four hexadecimal digits that AUTOMATIC1111 shows for an embedding and names optimizer states by.
    ///
    /// It truncates hundredfold values, so most small changes of an embedding do not change it.
    package var automatic1111Checksum: String {
        var hash: UInt32 = 0
        for value in values {
            let scaled = value * 100
            let whole = scaled.isFinite && abs(scaled) < 0x1p62 ? Int64(scaled) : 0
            hash = (hash &* 281) ^ UInt32(truncatingIfNeeded: whole &* 997)
        }
        let digits = String(hash & 0xFFFF, radix: 16)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}
