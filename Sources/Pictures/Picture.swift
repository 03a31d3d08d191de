// SPDX-License-Identifier: Apache-2.0

/// An 8-bit sRGB picture in memory.
package struct Picture: Sendable, Equatable {
    /// The largest side, in pixels, that is decoded or made.
    package static let maximumSide = 16_384
    /// The largest number of pixels that is decoded or made.
    package static let maximumPixels = 100_000_000

    package let width: Int
    package let height: Int
    /// Rows from the top, interleaved RGB: `height * width * 3` values.
    package let pixels: [UInt8]

    package init(width: Int, height: Int, pixels: [UInt8]) {
        precondition(width > 0 && height > 0, "a picture has at least one pixel")
        precondition(pixels.count == width * height * 3, "RGB needs \(width * height * 3) values, got \(pixels.count)")
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// A picture of one colour.
    package init(width: Int, height: Int, red: UInt8, green: UInt8, blue: UInt8) {
        precondition(width > 0 && height > 0, "a picture has at least one pixel")
        var pixels = [UInt8]()
        pixels.reserveCapacity(width * height * 3)
        for _ in 0..<(width * height) {
            pixels.append(red)
            pixels.append(green)
            pixels.append(blue)
        }
        self.init(width: width, height: height, pixels: pixels)
    }

    /// Takes channels-last values in -1...1 (an autoencoder's output); values outside are clamped, NaN becomes black.
    ///
    /// - Parameter channelsLast: [height, width, 3].
    package init(channelsLast: [Float], width: Int, height: Int) {
        precondition(channelsLast.count == width * height * 3, "channels-last RGB needs \(width * height * 3) values")
        self.init(
            width: width, height: height,
            pixels: channelsLast.map { value in
                let level = ((value + 1) * 127.5).rounded(.toNearestOrEven)
                return level >= 255 ? 255 : level > 0 ? UInt8(level) : 0
            })
    }

    /// The values scaled to -1...1, channels last: [height, width, 3].
    package func channelsLast() -> [Float] {
        pixels.map { Float($0) / 127.5 - 1 }
    }

    /// The mirror image, left and right exchanged.
    package func flippedHorizontally() -> Picture {
        remapped(width: width, height: height) { x, y in (width - 1 - x, y) }
    }

    /// Builds a picture whose pixel (x, y) is this picture's pixel `source(x, y)`.
    func remapped(width newWidth: Int, height newHeight: Int, source: (Int, Int) -> (Int, Int)) -> Picture {
        var result = [UInt8]()
        result.reserveCapacity(newWidth * newHeight * 3)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                let (sourceX, sourceY) = source(x, y)
                let offset = (sourceY * width + sourceX) * 3
                result.append(pixels[offset])
                result.append(pixels[offset + 1])
                result.append(pixels[offset + 2])
            }
        }
        return Picture(width: newWidth, height: newHeight, pixels: result)
    }
}
