// SPDX-License-Identifier: Apache-2.0
private import Crypto
private import Glibc
private import Tensors

/// Which machines compute the same bits.
///
/// A fixed set of kernels runs on fixed data, and what comes out is hashed: two machines with the same digest are of one class, whatever
/// their processors are called. Kernel variant, oneDNN or BLAS, precision, C library and compiler all have their say, and so have settings of
/// the environment that choose between kernels; the number of threads has none.
package enum NumericsClass {
    /// 16 hexadecimal digits.
    package static func digest() -> String {
        var probe = Probe(settings: "f32, \(Compute.settings)")
        probe.products()
        probe.convolutions()
        probe.attention()
        probe.norms()
        probe.elements()
        probe.functions()
        probe.optimizer()
        if ProductPrecision.hasFastBF16 { probe.bf16() }
        return probe.digest
    }
}

/// Collects the bits of results.
///
/// The data of each kernel are drawn at an address of their own.
private struct Probe {
    private var hash = SHA256()
    private var place = 0

    init(settings: String) { Array(settings.utf8).withUnsafeBytes { hash.update(bufferPointer: $0) } }

    var digest: String {
        hash.finalize().prefix(8).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private mutating func add(_ tensors: Tensor...) {
        for tensor in tensors { tensor.withValues { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) } }
    }

    private mutating func add(_ values: [Float]) { values.withUnsafeBytes { hash.update(bufferPointer: $0) } }

    private mutating func add(_ values: [Double]) { values.withUnsafeBytes { hash.update(bufferPointer: $0) } }

    /// Normal numbers, larger tensors from a block that is repeated with other signs: drawing must not be what takes the time.
    private mutating func draw(_ shape: [Int], scale: Float = 1) -> Tensor {
        place += 1
        let block = RandomDraws(seed: 0x5057_4e43, step: place, stream: .weights).normals(8192)
        return Tensor(shape: shape) { out in
            var (turn, start) = (0, 0)
            while start < out.count {
                let sign = turn % 2 == 0 ? scale : -scale, shift = turn * 31
                for i in 0..<min(block.count, out.count - start) { out[start + i] = block[(i + shift) & (block.count - 1)] * sign }
                (turn, start) = (turn + 1, start + block.count)
            }
        }
    }

    /// Sizes as they come in Stable Diffusion and odd ones, so that the library's kernels for edges are in it.
    mutating func products(_ precision: ProductPrecision = .f32) {
        for (rows, inputs, outputs) in [
            (77, 768, 768), (154, 320, 1280), (64, 1280, 320), (1, 320, 1280), (13, 7, 5), (256, 40, 96), (2, 768, 33),
        ] {
            let layer = Linear(
                weight: Weight(draw([outputs, inputs], scale: 1 / Float(inputs).squareRoot())), bias: draw([outputs]), precision: precision)
            let input = draw([rows, inputs])
            let output = layer.forward(input)
            add(output, layer.inputGradient(output, adding: input))
        }
    }

    mutating func convolutions(_ precision: ProductPrecision = .f32) {
        let all: [(shape: [Int], outputs: Int, kernel: Int, stride: Int)] = [
            ([1, 16, 16, 64], 96, 3, 1), ([1, 8, 8, 320], 160, 3, 1), ([2, 9, 7, 24], 33, 3, 2), ([1, 16, 16, 4], 32, 3, 1),
            ([1, 16, 16, 32], 4, 3, 1), ([1, 8, 8, 64], 64, 1, 1), ([1, 30, 28, 64], 48, 3, 1),
        ]
        for (shape, outputs, kernel, stride) in all {
            let depth = kernel * kernel * shape[3]
            let layer = Convolution(
                weight: Weight(draw([outputs, kernel, kernel, shape[3]], scale: 1 / Float(depth).squareRoot())), bias: draw([outputs]),
                stride: stride, padding: Padding(kernel / 2), precision: precision)
            let output = layer.forward(draw(shape), sampleBias: draw([shape[0], outputs]))
            add(output, layer.inputGradient(output, inputShape: shape))
        }
    }

    /// What a study with that precision is computed by.
    mutating func bf16() {
        products(.bf16)
        convolutions(.bf16)
        attention(.bf16)
    }

    mutating func attention(_ precision: ProductPrecision = .f32) {
        let all = [(1, 300, 300, 2, 40, false), (2, 77, 77, 4, 64, true), (1, 256, 77, 4, 80, false), (1, 64, 520, 1, 160, false)]
        for (samples, queries, keys, heads, depth, isCausal) in all {
            let layer = Attention(heads: heads, isCausal: isCausal, precision: precision)
            var saved: Attention.Saved?
            let output = layer.forward(
                query: draw([samples, queries, heads * depth]), key: draw([samples, keys, heads * depth]),
                value: draw([samples, keys, heads * depth]), saving: &saved)
            add(output)
            guard let saved else { continue }
            let gradients = layer.inputGradients(output, saved)
            for gradient in [gradients.query, gradients.key, gradients.value].compactMap(\.self) { add(gradient) }
        }
    }

    mutating func norms() {
        for (channels, groups, pixels) in [(320, 32, 256), (64, 32, 1024), (24, 4, 63)] {
            let norm = GroupNorm(weight: draw([channels]), bias: draw([channels]), groups: groups, epsilon: 1e-5, activation: .silu)
            var saved: GroupNorm.Saved?
            let output = norm.forward(draw([2, pixels, channels]), saving: &saved)
            add(output)
            if let saved { add(norm.inputGradient(output, saved)) }
        }
        for width in [768, 320, 33] {
            let norm = LayerNorm(weight: draw([width]), bias: draw([width]), epsilon: 1e-5)
            var saved: LayerNorm.Saved?
            let output = norm.forward(draw([77, width]), saving: &saved)
            add(output)
            if let saved { add(norm.inputGradient(output, saved)) }
        }
    }

    mutating func elements() {
        for activation in [Activation.silu, .gelu, .quickGELU] {
            let input = draw([20_011], scale: 4)
            let output = activation.forward(input)
            add(output, activation.inputGradient(output, input: input))
        }
        let gated = draw([33, 640])
        let output = GatedGELU.forward(gated)
        add(output, GatedGELU.inputGradient(output, input: gated), Addition.forward(gated, draw([33, 640])))
        let (prediction, target) = (draw([3, 1021]), draw([3, 1021]))
        add(MeanSquaredError.forward(prediction, target))
        add(MeanSquaredError.inputGradient(prediction, target, factor: 0.25))
    }

    /// The C library's functions, which are compiled for several kinds of processors too.
    mutating func functions() {
        let draws = RandomDraws(seed: 0x5057_4e43, stream: .noise)
        add(draws.normals(4096))
        let places = (0..<2048).map { draws.uniform($0) }
        add(places.map { exp(20 * $0 - 10) } + places.map { log($0 + 1e-9) } + places.map { cos(Double.pi * $0) })
        let singles = places.map { Float($0) }
        add(
            singles.map { expf(20 * $0 - 10) } + singles.map { sinf(1000 * $0) } + singles.map { cosf(1000 * $0) }
                + singles.map { logf($0 + 1) })
    }

    mutating func optimizer() {
        var (values, average, squares) = (draw([1, 768]).values, [Float](repeating: 0, count: 768), [Float](repeating: 0, count: 768))
        for step in 1...3 {
            var gradient = draw([1, 768]).values
            GradientClipping.clip(&gradient, norm: 1)
            AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0.01, epsilon: 1e-8).update(
                &values, gradient: gradient, average: &average, squares: &squares, step: step, learningRate: 5e-3)
        }
        add(values + average + squares)
    }
}
