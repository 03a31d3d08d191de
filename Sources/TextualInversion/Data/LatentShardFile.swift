// SPDX-License-Identifier: Apache-2.0
private import ModelFiles
private import StableDiffusion
private import Studies
private import Tensors

/// A shard as a safetensors file.
///
/// F32 tensors `mean` and `log_variance` of shape [N, h, w, 4] (the autoencoder's moments before scaling, channels last), and when the
/// study mirrors pictures `flipped_mean` and `flipped_log_variance`. `__metadata__` holds `format` ("pseudoword-latents"), `version`
/// ("1"), `width` and `height` of the pictures in pixels, `scaling_factor`, and `items`: a JSON list of N objects with `file` (a name
/// without a folder), `caption` and `pixels` (SHA-256 of the resized and cropped 8-bit RGB rows, in hexadecimal).
extension LatentShard {
    static let format = "pseudoword-latents", version = "1"
    private static let maximumItems = 4096, maximumSide = 4096

    /// The file's bytes.
    package func encoded() -> [UInt8] {
        func stacked(_ tensors: [Tensor]) -> (shape: [Int], values: [Float]) {
            let all = Tensor(stacking: tensors)
            return (tensors.isEmpty ? [0] + latentSize + [4] : all.shape, all.values)
        }
        var parts = [("mean", stacked(items.map(\.moments.mean))), ("log_variance", stacked(items.map(\.moments.logVariance)))]
        if flips {
            parts.append(("flipped_mean", stacked(items.compactMap(\.flipped?.mean))))
            parts.append(("flipped_log_variance", stacked(items.compactMap(\.flipped?.logVariance))))
        }
        let list = items.map { item in
            let name = item.file.split(separator: "/").last.map(String.init) ?? item.file
            let pixels = item.pixels.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            let members = [("file", name), ("caption", item.caption), ("pixels", pixels)]
            return "{" + members.map { JSONValue.literal($0.0) + ":" + JSONValue.literal($0.1) }.joined(separator: ",") + "}"
        }
        return SafeTensorsWriter.bytes(
            tensors: parts.map { (name: $0.0, shape: $0.1.shape, values: $0.1.values) },
            metadata: [
                "format": Self.format, "version": Self.version, "width": "\(size.width)", "height": "\(size.height)",
                "scaling_factor": "\(scalingFactor)", "items": "[" + list.joined(separator: ",") + "]",
            ])
    }

    /// Reads what `encoded()` wrote; everything in it is checked.
    ///
    /// - Parameter name: what errors call the bytes.
    package init(bytes: [UInt8], name: String = "latents") throws {
        try self.init(SafeTensorsFile(bytes: bytes, name: name))
    }

    package init(path: String) throws { try self.init(SafeTensorsFile(path: path)) }

    private init(_ file: SafeTensorsFile) throws {
        func failure(_ what: String) -> InversionError { InversionError(.input, "\(file.path): \(what); it is no shard of latents") }
        func side(_ key: String) throws -> Int {
            guard let side = file.metadata[key].flatMap(Int.init), (1...Self.maximumSide).contains(side) else {
                throw failure("its \(key) is not a number from 1 to \(Self.maximumSide)")
            }
            return side
        }
        guard file.metadata["format"] == Self.format else { throw failure("its format is not \"\(Self.format)\"") }
        guard file.metadata["version"] == Self.version else {
            throw InversionError(.input, "\(file.path): latents of another version than \(Self.version)")
        }
        size = PictureSize(width: try side("width"), height: try side("height"))
        guard let factor = file.metadata["scaling_factor"].flatMap(Float.init), factor.isFinite, factor > 0 else {
            throw failure("its scaling_factor is not a number above 0")
        }
        scalingFactor = factor
        guard let shape = file.tensor(named: "mean")?.shape, shape.count == 4, shape[3] == 4, (1...Self.maximumItems).contains(shape[0]),
            shape[1] > 0, shape[2] > 0, size.height % shape[1] == 0, size.width % shape[2] == 0,
            size.height / shape[1] == size.width / shape[2]
        else { throw failure("its tensor mean is missing or does not have the shape [pictures, height, width, 4]") }
        latentSize = [shape[1], shape[2]]
        let hasFlips = file.names.count == 4
        let names = ["mean", "log_variance"] + (hasFlips ? ["flipped_mean", "flipped_log_variance"] : [])
        guard Set(file.names) == Set(names) else { throw failure("it holds the tensors \(file.names.prefix(8).joined(separator: ", "))") }
        var rows: [String: [Tensor]] = [:]
        for name in names {
            guard let entry = file.tensor(named: name), entry.shape == shape, entry.dtype == .float32 else {
                throw failure("its tensor \(name) is not F32 of the shape \(shape)")
            }
            let tensor = Tensor(try file.floats(named: name), shape: shape)
            guard tensor.isFinite else { throw failure("its tensor \(name) has values that are no numbers") }
            rows[name] = (0..<shape[0]).map { tensor.slice($0..<$0 + 1) }
        }
        func moments(_ prefix: String, _ index: Int) -> LatentMoments? {
            guard let mean = rows[prefix + "mean"]?[index], let variance = rows[prefix + "log_variance"]?[index] else { return nil }
            return LatentMoments(mean: mean, logVariance: variance)
        }
        let list = try Self.list(file.metadata["items"] ?? "", failure)
        guard list.count == shape[0] else { throw failure("its list of items has \(list.count) entries for \(shape[0]) pictures") }
        items = list.enumerated().compactMap { index, entry in
            moments("", index).map {
                LatentDataSet.Item(
                    file: entry.file, caption: entry.caption, moments: $0, flipped: moments("flipped_", index), pixels: entry.pixels)
            }
        }
    }

    private static func list(
        _ json: String, _ failure: (String) -> InversionError
    ) throws -> [(file: String, caption: String, pixels: [UInt8])] {
        guard case .array(let entries) = try JSONValue(parsing: Array(json.utf8)) else { throw failure("its items are not a list") }
        return try entries.map { entry in
            guard let file = entry["file"]?.text, (1...255).contains(file.utf8.count), !file.contains("/"), !file.contains("\0") else {
                throw failure("an item's file is not a file name")
            }
            guard let caption = entry["caption"]?.text, caption.utf8.count <= 1 << 16, !caption.contains("\0") else {
                throw failure("an item's caption is not a text of at most 65536 bytes")
            }
            guard let pixels = entry["pixels"]?.text.flatMap(Self.digest) else { throw failure("an item's pixels are not a SHA-256") }
            return (file, caption, pixels)
        }
    }

    private static func digest(_ text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap { digit -> UInt8? in
            switch digit {
            case 0x30...0x39: digit - 0x30
            case 0x61...0x66: digit - 0x57
            default: nil
            }
        }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        return (0..<32).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] }
    }
}
