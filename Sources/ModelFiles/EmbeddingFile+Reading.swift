// SPDX-License-Identifier: Apache-2.0

extension EmbeddingFile {
    /// More than any text encoder has positions for, and small enough to allocate without thought.
    private static let elementLimit = 1 << 24

    /// Reads an embedding from any layout in circulation; the content decides, not the file's extension.
    ///
    /// - Throws: `ModelFileError`; one that is not an embedding, or is for SDXL, is named as such.
    package static func read(path: String) throws(ModelFileError) -> EmbeddingFile {
        let file = try MappedFile(path: path)
        do throws(ModelFileError) {
            if TorchFile.recognises(file) { return try read(TorchFile(file)) }
            if file.count > 8, file.bytes(8..<9) == [UInt8(ascii: "{")] { return try read(try SafeTensorsFile(path: path)) }
            if file.count >= 4, file.bytes(0..<4) == [0x89, 0x50, 0x4E, 0x47] {
                throw ModelFileError.unsupported(
                    "is a picture; an embedding inside a picture is not supported, take the .pt or .safetensors file")
            }
            throw ModelFileError.unsupported("is neither a torch file nor a safetensors file; embeddings come as .pt, .bin or .safetensors")
        } catch {
            throw error.at(path)
        }
    }

    // MARK: - safetensors

    private static func read(_ file: SafeTensorsFile) throws(ModelFileError) -> EmbeddingFile {
        let key = try tensorKey(among: file.names)
        guard let entry = file.tensor(named: key.name) else { throw .malformed("has no tensor \(quoted(key.name))") }
        let (rows, width) = try layout(entry.dtype, entry.shape, key.name)
        var result = EmbeddingFile(
            token: key.token, rows: rows, width: width, values: try file.floats(named: key.name), metadata: file.metadata,
            format: key.format)
        result.name = file.metadata["modelspec.title"]
        if result.token == nil { result.token = file.metadata["modelspec.trigger_phrase"] }
        return result
    }

    // MARK: - torch

    private static func read(_ file: TorchFile) throws(ModelFileError) -> EmbeddingFile {
        let pickle = file.pickle
        if let tensor = try file.tensor(pickle.root) { return try embedding(file, tensor, "the saved tensor", token: nil, .bareTensor) }
        guard let items = pickle.items(pickle.root) else { throw .unsupported("holds neither a tensor nor a dictionary of tensors") }
        if let parameters = pickle.value("string_to_param", in: pickle.root) { return try readAutomatic1111(file, parameters) }
        var names: [String] = []
        for item in items { names.append(pickle.text(item.key) ?? "(a key that is not text)") }
        let key = try tensorKey(among: names)
        guard let reference = pickle.value(key.name, in: pickle.root), let tensor = try file.tensor(reference) else {
            throw .unsupported("its entry \(quoted(key.name)) is not a tensor")
        }
        return try embedding(file, tensor, key.name, token: key.token, key.format)
    }

    private static func readAutomatic1111(_ file: TorchFile, _ parameters: Pickle.Reference) throws(ModelFileError) -> EmbeddingFile {
        let pickle = file.pickle
        var dictionary = parameters
        if case .object(let object) = pickle[parameters], let state = object.state {
            // torch.nn.ParameterDict: its tensors are in the module's _parameters.
            guard let inner = pickle.value("_parameters", in: state) else { throw .malformed("its string_to_param holds no parameters") }
            dictionary = inner
        }
        guard let entries = pickle.items(dictionary) else { throw .malformed("its string_to_param is not a dictionary") }
        guard let entry = entries.first, entries.count == 1 else {
            let names = entries.map { quoted(pickle.text($0.key) ?? "?") }
            throw .unsupported("holds \(entries.count) embeddings (\(listed(names))); a file with exactly one is needed")
        }
        guard let tensor = try file.tensor(entry.value) else {
            throw .malformed("its string_to_param holds something that is not a tensor")
        }
        let key = pickle.text(entry.key)
        var result = try embedding(file, tensor, "string_to_param", token: key == "*" ? nil : key, .automatic1111)
        func text(_ name: String) -> String? { pickle.value(name, in: pickle.root).flatMap { pickle.text($0) } }
        result.name = text("name")
        result.step = pickle.value("step", in: pickle.root).flatMap { pickle.integer($0) }
        result.modelHash = text("sd_checkpoint")
        result.modelName = text("sd_checkpoint_name")
        return result
    }

    private static func embedding(
        _ file: TorchFile, _ tensor: TorchTensor, _ key: String, token: String?, _ format: Format
    ) throws(ModelFileError) -> EmbeddingFile {
        let (rows, width) = try layout(tensor.dtype, tensor.shape, key)
        return EmbeddingFile(token: token, rows: rows, width: width, values: file.floats(tensor), format: format)
    }

    // MARK: - both

    private struct Key {
        let name: String
        let token: String?
        let format: Format
    }

    /// Which of a file's keys holds the vectors.
    private static func tensorKey(among names: [String]) throws(ModelFileError) -> Key {
        if names.contains("clip_l") || names.contains("clip_g") {
            throw .unsupported("is an SDXL embedding (clip_l and clip_g, one width for each of two text encoders); SDXL is not supported")
        }
        if names.contains(where: { $0.hasPrefix("bundle_emb.") }) {
            throw .unsupported("is a LoRA that bundles embeddings; export the embedding into a file of its own")
        }
        if names.contains("emp_params_out") {
            throw .unsupported("holds an output embedding (emp_params_out), which is added after the text encoder and is not supported")
        }
        if names.contains("emb_params") { return Key(name: "emb_params", token: nil, format: .kohya) }
        if names.contains("emp_params") { return Key(name: "emp_params", token: nil, format: .oneTrainer) }
        if names.count == 1 { return Key(name: names[0], token: names[0], format: .diffusers) }
        let shown = names.isEmpty ? "no keys" : "the keys \(listed(names.map { quoted($0) }))"
        throw .unsupported("is not an embedding: found \(shown), expected string_to_param, emb_params, emp_params or one token")
    }

    private static func layout(_ dtype: ElementType, _ shape: [Int], _ key: String) throws(ModelFileError) -> (rows: Int, width: Int) {
        guard dtype.isFloatingPoint else { throw .unsupported("\(quoted(key)) holds \(dtype.rawValue), not floating-point vectors") }
        guard (1...2).contains(shape.count), let count = elementCount(of: shape), (1...elementLimit).contains(count) else {
            throw .unsupported("\(quoted(key)) has shape \(shape); an embedding is [width] or [vectors, width]")
        }
        return shape.count == 1 ? (1, shape[0]) : (shape[0], shape[1])
    }

    private static func listed(_ names: [String]) -> String {
        names.prefix(6).joined(separator: ", ") + (names.count > 6 ? " and \(names.count - 6) more" : "")
    }
}
