// SPDX-License-Identifier: Apache-2.0

extension EmbeddingFile {
    /// The ModelSpec architecture of an embedding, as kohya's trainer writes it.
    package enum Architecture: String, Sendable, CaseIterable {
        case stableDiffusion1 = "stable-diffusion-v1/textual-inversion"
        case stableDiffusion2 = "stable-diffusion-v2-512/textual-inversion"
        case stableDiffusion2V = "stable-diffusion-v2-768-v/textual-inversion"
    }

    /// Writes AUTOMATIC1111's `.pt`, loadable by every tool for Stable Diffusion 1 and 2.
    ///
    /// Its loader takes only a few entry names in the archive, so current torch itself cannot write a file that it reads.
    /// - Throws: `ModelFileError` when the file cannot be written.
    package func writeAutomatic1111(to path: String) throws(ModelFileError) {
        try AtomicFile.write(automatic1111Bytes(), to: path)
    }

    /// Writes `emb_params` with ModelSpec metadata, loadable by AUTOMATIC1111, ComfyUI, InvokeAI and kohya.
    ///
    /// - Parameters:
    ///   - resolution: width and height in pixels.
    ///   - predictionType: `epsilon` or `v`.
    ///   - date: ISO 8601 to the second; left out when nil, so that equal embeddings give equal files.
    /// - Throws: `ModelFileError` when the file cannot be written.
    package func writeSafeTensors(
        to path: String, architecture: Architecture = .stableDiffusion1, resolution: (width: Int, height: Int) = (512, 512),
        predictionType: String = "epsilon", date: String? = nil
    ) throws {
        var metadata = [
            "modelspec.sai_model_spec": "1.0.1",
            "modelspec.architecture": architecture.rawValue,
            "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
            "modelspec.title": name ?? token ?? "embedding",
            "modelspec.resolution": "\(resolution.width)x\(resolution.height)",
            "modelspec.prediction_type": predictionType,
        ]
        // What people type: AUTOMATIC1111 and ComfyUI know the word by its bare name, the brackets are diffusers' own.
        metadata["modelspec.trigger_phrase"] = name ?? token
        metadata["modelspec.date"] = date
        try SafeTensorsWriter.write(tensors: [("emb_params", [rows, width], values)], metadata: metadata, to: path)
    }

    /// Writes diffusers' `learned_embeds.safetensors`: one tensor under the placeholder token.
    ///
    /// - Throws: `ModelFileError` when the file cannot be written.
    package func writeDiffusers(to path: String) throws {
        let key = token ?? name ?? "embedding"
        try SafeTensorsWriter.write(tensors: [(key, [rows, width], values)], metadata: ["format": "pt"], to: path)
    }

    func automatic1111Bytes() -> [UInt8] {
        var zip = ZipWriter()
        zip.add("archive/data.pkl", automatic1111Pickle())
        zip.add("archive/byteorder", Array("little".utf8))
        zip.add("archive/data/0", values.withUnsafeBytes { Array($0) })
        zip.add("archive/version", Array("3\n".utf8))
        return zip.finish()
    }

    private func automatic1111Pickle() -> [UInt8] {
        var pickle = PickleWriter()
        pickle.opcodes(0x80, 0x02, 0x7D, 0x28)
        pickle.text("string_to_token")
        pickle.opcodes("}")
        pickle.text("*")
        pickle.integer(265)
        pickle.opcodes("s")
        pickle.text("string_to_param")
        pickle.opcodes("}")
        pickle.text("*")
        tensor(&pickle)
        pickle.opcodes("s")
        pickle.text("name")
        pickle.text(name ?? token ?? "embedding")
        pickle.text("step")
        pickle.integer(step ?? 0)
        pickle.text("sd_checkpoint")
        pickle.optionalText(modelHash)
        pickle.text("sd_checkpoint_name")
        pickle.optionalText(modelName)
        pickle.opcodes("u.")
        return pickle.bytes
    }

    /// `_rebuild_tensor_v2(storage, 0, (rows, width), (width, 1), False, OrderedDict())`.
    private func tensor(_ pickle: inout PickleWriter) {
        pickle.symbol("torch._utils", "_rebuild_tensor_v2")
        pickle.opcodes("((")
        pickle.text("storage")
        pickle.symbol("torch", "FloatStorage")
        pickle.text("0")
        pickle.text("cpu")
        pickle.integer(values.count)
        pickle.opcodes("tQ")
        pickle.integer(0)
        pickle.integer(rows)
        pickle.integer(width)
        pickle.opcodes(0x86)
        pickle.integer(width)
        pickle.integer(1)
        pickle.opcodes(0x86, 0x89)
        pickle.symbol("collections", "OrderedDict")
        pickle.opcodes(")RtR")
    }
}

/// Emits the few protocol 2 opcodes that an embedding needs.
private struct PickleWriter {
    private(set) var bytes: [UInt8] = []

    mutating func opcodes(_ codes: UInt8...) {
        bytes += codes
    }

    mutating func opcodes(_ codes: String) {
        bytes += Array(codes.utf8)
    }

    mutating func text(_ text: String) {
        opcodes("X")
        append(&bytes, UInt32(text.utf8.count))
        bytes += Array(text.utf8)
    }

    mutating func optionalText(_ text: String?) {
        if let text { self.text(text) } else { opcodes("N") }
    }

    mutating func symbol(_ module: String, _ name: String) {
        bytes += Array("c\(module)\n\(name)\n".utf8)
    }

    mutating func integer(_ value: Int) {
        switch value {
        case 0...0xFF:
            opcodes("K")
            append(&bytes, UInt8(value))
        case 0x100...0xFFFF:
            opcodes("M")
            append(&bytes, UInt16(value))
        case Int(Int32.min)...Int(Int32.max):
            opcodes("J")
            append(&bytes, Int32(value))
        default:
            opcodes(0x8A, 8)
            append(&bytes, Int64(value))
        }
    }
}
