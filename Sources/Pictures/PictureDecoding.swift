// SPDX-License-Identifier: Apache-2.0
// Every call into the C decoders is in this file and in PNGEncoding.swift.

import CPictures

extension Picture {
    /// Reads a PNG, JPEG or WebP file; the content decides the format, alpha is composited on white, EXIF orientation is applied.
    ///
    /// - Throws: `PictureError`, one line that names the file.
    package init(path: String) throws {
        try self.init(bytes: PictureFile.read(path), name: path)
    }

    /// Decodes the bytes of a PNG, JPEG or WebP file.
    ///
    /// - Parameter name: what error messages call the picture.
    package init(bytes: [UInt8], name: String) throws {
        let name = PictureError.oneLine(name)
        guard !bytes.isEmpty else { throw PictureError(.notAPicture, "\(name): the file is empty, expected a PNG, JPEG or WebP picture") }
        switch PictureFormat(bytes) {
        case .png: self = try Picture.decodePNG(bytes, name: name)
        case .jpeg: self = try Picture.decodeJPEG(bytes, name: name)
        case .webp: self = try Picture.decodeWebP(bytes, name: name)
        case .other(let kind):
            throw PictureError(.unsupported, "\(name): \(kind) pictures are not supported; convert it to PNG, JPEG or WebP")
        case nil:
            throw PictureError(.notAPicture, "\(name): not a picture, expected PNG, JPEG or WebP")
        }
    }

    private static func decodePNG(_ bytes: [UInt8], name: String) throws -> Picture {
        let header = pictures_png_header(bytes, bytes.count)
        try check(header, "PNG", name)
        let (width, height) = (Int(header.width), Int(header.height))
        // Deflate shrinks at most 1032 to 1, so a header that claims more than that was not written by an encoder.
        // One bit a pixel is the least that PNG stores.
        guard width * height / 8 / 1032 <= bytes.count else {
            throw PictureError(
                .truncated, "\(name): the PNG picture is truncated: \(bytes.count) bytes cannot hold \(width)x\(height) pixels")
        }
        let channels = header.has_alpha != 0 ? 4 : 3
        let pixels = try decode(width * height * channels) { buffer, message in
            pictures_png_decode(bytes, bytes.count, header.has_alpha, buffer, width * height * channels, message)
        } problem: { _, message in
            failure("PNG", name, message)
        }
        return Picture(width: width, height: height, pixels: channels == 4 ? compositedOnWhite(pixels) : pixels)
    }

    private static func decodeJPEG(_ bytes: [UInt8], name: String) throws -> Picture {
        let header = pictures_jpeg_header(bytes, bytes.count)
        try check(header, "JPEG", name)
        let (width, height) = (Int(header.width), Int(header.height))
        let isCMYK = header.is_cmyk != 0
        let pixels = try decode(width * height * (isCMYK ? 4 : 3)) { buffer, message in
            pictures_jpeg_decode(bytes, bytes.count, Int32(width), Int32(height), header.is_cmyk, buffer, message)
        } problem: { result, message in
            // Bytes between segments are common in files from cameras and harm nothing.
            result == 2 && message.contains("extraneous bytes before marker") ? nil : failure("JPEG", name, message)
        }
        let picture = Picture(width: width, height: height, pixels: isCMYK ? convertedFromInvertedCMYK(pixels) : pixels)
        return picture.oriented(Orientation(jpeg: bytes))
    }

    private static func decodeWebP(_ bytes: [UInt8], name: String) throws -> Picture {
        let header = pictures_webp_header(bytes, bytes.count)
        guard header.is_animated == 0 else {
            throw PictureError(.unsupported, "\(name): animated WebP is not supported; save one frame as a picture")
        }
        try check(header, "WebP", name)
        let (width, height) = (Int(header.width), Int(header.height))
        let channels = header.has_alpha != 0 ? 4 : 3
        let pixels = try decode(width * height * channels) { buffer, message in
            pictures_webp_decode(bytes, bytes.count, Int32(width), header.has_alpha, buffer, width * height * channels, message)
        } problem: { _, message in
            failure("WebP", name, message)
        }
        return Picture(width: width, height: height, pixels: channels == 4 ? compositedOnWhite(pixels) : pixels)
    }

    /// Refuses a header that is broken or claims an absurd size, before anything is allocated.
    private static func check(_ header: pictures_header, _ format: String, _ name: String) throws {
        let problem = withUnsafePointer(to: header) { String(cString: pictures_message($0)) }
        if !problem.isEmpty { throw failure(format, name, problem) }
        guard header.width > 0, header.height > 0 else {
            throw PictureError(.damaged, "\(name): the \(format) picture says it is \(header.width)x\(header.height) pixels")
        }
        guard header.width <= maximumSide, header.height <= maximumSide, header.width * header.height <= maximumPixels else {
            throw PictureError(
                .tooLarge,
                "\(name): \(header.width)x\(header.height) pixels is too large, expected at most \(maximumSide) a side and 100 megapixels")
        }
    }

    private static func failure(_ format: String, _ name: String, _ message: String) -> PictureError {
        let message = PictureError.oneLine(message)
        let isShort = ["beyond end", "Read Error", "remature end", "not enough data", "Not enough image data", "empty"].contains {
            message.contains($0)
        }
        return isShort
            ? PictureError(.truncated, "\(name): the \(format) picture is truncated (\(message))")
            : PictureError(.damaged, "\(name): the \(format) picture is damaged (\(message))")
    }

    /// Runs one C decoder into a fresh buffer; `body` returns 1 when all is well and `problem` may forgive other results.
    private static func decode(
        _ count: Int, _ body: (UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<CChar>) -> Int32,
        problem: (Int32, String) -> PictureError?
    ) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            // A decoder that gives up half-way must not show what was in the memory before.
            buffer.initialize(repeating: 255)
            initialized = count
            guard let base = buffer.baseAddress else { return }
            try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PICTURES_MESSAGE_SIZE)) { message in
                message.initialize(repeating: 0)
                guard let text = message.baseAddress else { return }
                let result = body(base, text)
                if result != 1, let error = problem(result, String(cString: text)) { throw error }
            }
        }
    }

    /// Lays straight-alpha RGBA over white.
    private static func compositedOnWhite(_ rgba: [UInt8]) -> [UInt8] {
        var rgb = [UInt8]()
        rgb.reserveCapacity(rgba.count / 4 * 3)
        for offset in stride(from: 0, to: rgba.count, by: 4) {
            let alpha = Int(rgba[offset + 3])
            for channel in 0..<3 {
                rgb.append(UInt8((Int(rgba[offset + channel]) * alpha + 255 * (255 - alpha) + 127) / 255))
            }
        }
        return rgb
    }

    /// CMYK in JPEG files is stored inverted (255 is no ink), as Adobe's programs have always written it.
    private static func convertedFromInvertedCMYK(_ cmyk: [UInt8]) -> [UInt8] {
        var rgb = [UInt8]()
        rgb.reserveCapacity(cmyk.count / 4 * 3)
        for offset in stride(from: 0, to: cmyk.count, by: 4) {
            let black = Int(cmyk[offset + 3])
            for channel in 0..<3 { rgb.append(UInt8((Int(cmyk[offset + channel]) * black + 127) / 255)) }
        }
        return rgb
    }
}
