// SPDX-License-Identifier: Apache-2.0

import Foundation
import Pictures
import Testing

@Suite struct DecodingTests {
    @Test(arguments: ["photo", "gray", "gray1", "palette", "palette-transparent", "alpha", "gray-alpha", "deep", "interlaced"])
    func decodesPNG(name: String) throws {
        let picture = try Picture(path: Fixtures.path(name + ".png"))
        #expect(try #require(picture.largestDifference(from: Fixtures.expected(name))) <= (name == "deep" ? 1 : 0))
    }

    @Test(arguments: ["photo444", "photo420", "progressive", "gray-jpeg", "cmyk"])
    func decodesJPEG(name: String) throws {
        let picture = try Picture(path: Fixtures.path(name + ".jpg"))
        #expect(try #require(picture.largestDifference(from: Fixtures.expected(name))) <= 2)
    }

    @Test(arguments: 1...8)
    func appliesOrientation(orientation: Int) throws {
        let picture = try Picture(path: Fixtures.path("turned\(orientation).jpg"))
        #expect(picture.width == (orientation < 5 ? 61 : 47))
        #expect(try #require(picture.largestDifference(from: Fixtures.expected("turned\(orientation)"))) <= 2)
    }

    @Test(arguments: ["lossy", "lossless", "alpha-webp"])
    func decodesWebP(name: String) throws {
        let picture = try Picture(path: Fixtures.path(name + ".webp"))
        #expect(try #require(picture.largestDifference(from: Fixtures.expected(name))) <= (name == "lossy" ? 2 : 0))
    }

    @Test func contentAndNotTheExtensionDecides() throws {
        try Fixtures.withTemporaryFolder { folder in
            let path = "\(folder)/really-a-png.jpg"
            try Data(Fixtures.bytes("photo.png")).write(to: URL(filePath: path))
            #expect(try Picture(path: path) == Fixtures.expected("photo"))
        }
    }

    @Test func malformedExifCountsAsUpright() throws {
        var bytes = try Fixtures.bytes("turned6.jpg")
        let exif = try #require(bytes.indices.first { bytes[$0...].starts(with: Array("Exif".utf8)) })
        // The offset of the first directory now points far outside.
        bytes.replaceSubrange((exif + 10)..<(exif + 14), with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(try Picture(bytes: bytes, name: "x").width == 61)
        var nonsense = try Fixtures.bytes("turned6.jpg")
        nonsense[exif + 6 + 8 + 2 + 12 + 9] = 99
        #expect(try Picture(bytes: nonsense, name: "x").width == 61)
    }
}

@Suite struct RefusalTests {
    private func refusal(_ bytes: [UInt8]) -> PictureError? {
        #expect(throws: PictureError.self) { try Picture(bytes: bytes, name: "cat.png") }
    }

    @Test func refusesWhatIsNoPicture() {
        #expect(refusal([])?.code == .notAPicture)
        #expect(refusal(Array("hello, world".utf8))?.description == "cat.png: not a picture, expected PNG, JPEG or WebP")
        #expect(refusal([0x89, 0x50])?.code == .notAPicture)
    }

    @Test func namesTheKindsItDoesNotRead() throws {
        #expect(
            try refusal(Fixtures.bytes("other.gif"))?.description
                == "cat.png: GIF pictures are not supported; convert it to PNG, JPEG or WebP")
        #expect(try refusal(Fixtures.bytes("animated.webp"))?.code == .unsupported)
        #expect(refusal([0, 0, 0, 24] + Array("ftypheic".utf8))?.message.contains("HEIC") == true)
    }

    @Test(arguments: ["photo.png", "interlaced.png", "photo420.jpg", "progressive.jpg", "lossy.webp", "lossless.webp"])
    func refusesTruncatedFiles(name: String) throws {
        let bytes = try Fixtures.bytes(name)
        for kept in [16, 40, bytes.count / 4, bytes.count / 2, bytes.count * 9 / 10] where kept < bytes.count {
            let error = try #require(refusal(Array(bytes.prefix(kept))))
            #expect(error.code == .truncated || error.code == .damaged, "\(name) at \(kept): \(error)")
            #expect(!error.description.contains("\n"))
        }
        #expect(refusal(Array(bytes.prefix(bytes.count / 2)))?.code == .truncated, "\(name)")
    }

    @Test func refusesAbsurdSizesBeforeItAllocates() throws {
        #expect(refusal(hugePNG(width: 16_385, height: 1))?.code == .tooLarge)
        #expect(refusal(hugePNG(width: 16_000, height: 16_000))?.code == .tooLarge)
        #expect(refusal(hugePNG(width: 900_000, height: 900_000))?.code == .tooLarge)
        let claims = refusal(hugePNG(width: 9_000, height: 9_000))
        #expect(claims?.code == .truncated, "81 megapixels in 60 bytes: \(String(describing: claims))")
        var jpeg = try Fixtures.bytes("photo444.jpg")
        let frame = try #require(jpeg.indices.first { jpeg[$0...].starts(with: [0xFF, 0xC0]) })
        jpeg.replaceSubrange((frame + 5)..<(frame + 9), with: [0x7F, 0xFF, 0x7F, 0xFF])
        #expect(refusal(jpeg)?.code == .tooLarge)
    }

    @Test func refusesWhatCannotBeRead() throws {
        #expect(throws: PictureError.self) { try Picture(path: "/no/such/picture.png") }
        try Fixtures.withTemporaryFolder { folder in
            #expect(throws: PictureError(.unreadable, "\(folder): not a file")) { try Picture(path: folder) }
            try #require(mkfifo("\(folder)/pipe.png", 0o600) == 0)
            #expect(throws: PictureError(.unreadable, "\(folder)/pipe.png: not a file")) { try Picture(path: "\(folder)/pipe.png") }
        }
    }

    @Test func namesStayOnOneLine() {
        let error = #expect(throws: PictureError.self) { try Picture(bytes: [1], name: "a\nb\u{2028}c\u{1B}[31m") }
        #expect(error?.description.hasPrefix("a b c [31m: not a picture") == true)
    }

    /// A header that claims a size, with a valid checksum and hardly any data.
    private func hugePNG(width: UInt32, height: UInt32) -> [UInt8] {
        func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 0xFF) } }
        func chunk(_ body: [UInt8]) -> [UInt8] {
            var crc = UInt32.max
            for byte in body {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
            }
            return big(UInt32(body.count - 4)) + body + big(~crc)
        }
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk(Array("IHDR".utf8) + big(width) + big(height) + [8, 2, 0, 0, 0])
            + chunk(Array("IDAT".utf8) + [0x78, 0x9C, 3, 0, 0, 0, 0, 1])
    }

    @Test(arguments: [
        "photo.png", "palette.png", "turned6.jpg", "progressive.jpg", "cmyk.jpg", "lossy.webp", "lossless.webp", "alpha-webp.webp",
    ])
    func damagedFilesNeverCrash(name: String) throws {
        let original = try Fixtures.bytes(name)
        var generator = SeededGenerator(seed: UInt64(original.count))
        for _ in 0..<60 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            if Bool.random(using: &generator) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
            do {
                let picture = try Picture(bytes: bytes, name: name)
                #expect(picture.pixels.count == picture.width * picture.height * 3)
            } catch let error as PictureError {
                #expect(!error.description.contains("\n"))
            }
        }
    }
}
