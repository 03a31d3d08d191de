// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// The noise-predicting network of Stable Diffusion 1 and 2: `diffusers.UNet2DConditionModel`.
///
/// Ronneberger et al. 2015 (arXiv 1505.04597), Rombach et al. 2022 (arXiv 2112.10752). Kept as one list of stages, so that forward and
/// gradient are two loops over the same list.
package struct UNet: Sendable {
    /// What the gradient needs: one entry for each stage from the first that sees the prompt.
    package struct Saved: Sendable {
        fileprivate var stages: [StageSaved] = []
        fileprivate var outputNorm: GroupNorm.Saved?
        fileprivate var outputShape: [Int] = []
    }

    fileprivate enum Stage: Sendable {
        case residual(ResidualBlock)
        case transformer(SpatialTransformer)
        case downsample(Convolution)
        /// Enlarges to the size of the skip connection that is joined next.
        case upsample(Convolution)
        case keepSkip
        case joinSkip
    }

    fileprivate enum StageSaved: Sendable {
        case nothing
        case residual(ResidualBlock.Saved)
        case transformer(SpatialTransformer.Saved)
        case shape([Int])
        case upsample(small: [Int], large: [Int])
        case joinSkip(width: Int)
    }

    package let configuration: UNetConfiguration
    private let timeEmbedding: TimeEmbedding
    private let convolutionIn: Convolution, convolutionOut: Convolution
    private let normOut: GroupNorm
    private let stages: [Stage]
    /// Nothing before this stage depends on the prompt, so the gradient ends here.
    private let firstLive: Int

    package init(_ configuration: UNetConfiguration, _ parameters: Parameters) throws {
        self.configuration = configuration
        let first = configuration.levels[0].channels
        convolutionIn = try (parameters / "conv_in").convolution(
            inputs: configuration.inputChannels, outputs: first, kernel: 3, padding: Padding(1))
        timeEmbedding = try TimeEmbedding(
            parameters / "time_embedding", channels: first, flipSinToCos: configuration.flipSinToCos,
            frequencyShift: configuration.frequencyShift)
        stages = try UNetBuilder(configuration, parameters).build()
        normOut = try (parameters / "conv_norm_out").groupNorm(
            channels: first, groups: configuration.groups, epsilon: configuration.epsilon, activation: .silu)
        convolutionOut = try (parameters / "conv_out").convolution(
            inputs: first, outputs: configuration.outputChannels, kernel: 3, padding: Padding(1))
        firstLive = stages.firstIndex { if case .transformer = $0 { true } else { false } } ?? stages.count
    }

    /// noisyLatents [N, H, W, 4], N timesteps, encoderHiddenStates [N, T, C] -> noisePrediction [N, H, W, 4].
    package func forward(_ noisyLatents: Tensor, timesteps: [Int], context: Tensor) -> Tensor {
        var saved: Saved?
        return run(noisyLatents, timesteps: timesteps, context: context, saving: &saved)
    }

    package func forward(_ noisyLatents: Tensor, timesteps: [Int], context: Tensor, saving saved: inout Saved?) -> Tensor {
        saved = Saved()
        return run(noisyLatents, timesteps: timesteps, context: context, saving: &saved)
    }

    private func run(_ noisyLatents: Tensor, timesteps: [Int], context: Tensor, saving saved: inout Saved?) -> Tensor {
        precondition(
            noisyLatents.shape[0] == timesteps.count && context.shape[0] == timesteps.count,
            "\(timesteps.count) timesteps for \(noisyLatents.shape)")
        let time = timeEmbedding.forward(timesteps)
        var hidden = convolutionIn.forward(noisyLatents)
        var skips = [hidden]
        for (index, stage) in stages.enumerated() {
            let kept = advance(stage, &hidden, &skips, time: time, context: context)
            if index >= firstLive { saved?.stages.append(kept) }
        }
        var norm: GroupNorm.Saved?
        let normal = normOut.forward(hidden, saving: &norm)
        if saved != nil { saved?.outputNorm = norm }
        saved?.outputShape = normal.shape
        return convolutionOut.forward(normal)
    }

    private func advance(_ stage: Stage, _ hidden: inout Tensor, _ skips: inout [Tensor], time: Tensor, context: Tensor) -> StageSaved {
        let shape = hidden.shape
        switch stage {
        case .residual(let block):
            var kept: ResidualBlock.Saved?
            hidden = block.forward(hidden, timeEmbedding: time, saving: &kept)
            return kept.map { .residual($0) } ?? .nothing
        case .transformer(let transformer):
            var kept: SpatialTransformer.Saved?
            hidden = transformer.forward(hidden, context: context, saving: &kept)
            return kept.map { .transformer($0) } ?? .nothing
        case .downsample(let convolution):
            hidden = convolution.forward(hidden)
            return .shape(shape)
        case .upsample(let convolution):
            let target = skips.last?.shape ?? [0, shape[1] * 2, shape[2] * 2]
            let large = NearestUpsampling.forward(hidden, height: target[1], width: target[2])
            hidden = convolution.forward(large)
            return .upsample(small: shape, large: large.shape)
        case .keepSkip:
            skips.append(hidden)
            return .nothing
        case .joinSkip:
            let skip = skips.removeLast()
            hidden = Concatenation.forward(hidden, skip)
            return .joinSkip(width: shape[3])
        }
    }

    /// dL/d encoderHiddenStates [N, T, C] from dL/d noisePrediction.
    ///
    /// What was saved is let go stage by stage, as soon as it has been used; nothing is left of it afterwards.
    package func contextGradient(_ outputGradient: Tensor, _ saved: inout Saved?) -> Tensor? {
        guard var kept = saved.take(), let norm = kept.outputNorm.take() else { return nil }
        var gradient = normOut.inputGradient(convolutionOut.inputGradient(outputGradient, inputShape: kept.outputShape), norm)
        var context: Tensor?
        var skipGradients: [Tensor] = []
        for index in (firstLive..<stages.count).reversed() {
            switch (stages[index], kept.stages.removeLast()) {
            case (.residual(let block), .residual(let part)):
                gradient = block.inputGradient(gradient, part)
            case (.transformer(let transformer), .transformer(let part)):
                let next = transformer.inputGradient(gradient, part, contextGradient: &context, needsInput: index > firstLive)
                guard let next else { return context }
                gradient = next
            case (.downsample(let convolution), .shape(let shape)):
                gradient = convolution.inputGradient(gradient, inputShape: shape)
            case (.upsample(let convolution), .upsample(let small, let large)):
                gradient = NearestUpsampling.inputGradient(convolution.inputGradient(gradient, inputShape: large), inputShape: small)
            case (.joinSkip, .joinSkip(let width)):
                let parts = Concatenation.inputGradients(gradient, firstWidth: width)
                gradient = parts.first
                skipGradients.append(parts.second)
            case (.keepSkip, _):
                gradient = Addition.forward(gradient, skipGradients.removeLast())
            default:
                preconditionFailure("saved state of stage \(index) does not belong to it")
            }
        }
        return context
    }
}

/// Lists the stages of a UNet in the order of the forward pass, taking the weights of each.
private struct UNetBuilder {
    let configuration: UNetConfiguration
    let parameters: Parameters
    private var stages: [UNet.Stage] = []
    private var channels: Int
    private var skips: [Int]

    init(_ configuration: UNetConfiguration, _ parameters: Parameters) {
        self.configuration = configuration
        self.parameters = parameters
        channels = configuration.levels[0].channels
        skips = [channels]
    }

    consuming func build() throws -> [UNet.Stage] {
        for (index, level) in configuration.levels.enumerated() { try addDown(level, index, parameters / "down_blocks" / index) }
        try addMiddle(parameters / "mid_block")
        for (index, level) in configuration.levels.reversed().enumerated() { try addUp(level, index, parameters / "up_blocks" / index) }
        return stages
    }

    private mutating func addDown(_ level: UNetConfiguration.Level, _ index: Int, _ place: Parameters) throws {
        for layer in 0..<level.layers {
            try addResidual(place / "resnets" / layer, outputs: level.channels)
            if level.hasCrossAttention { try addTransformer(place / "attentions" / layer, level) }
            keepSkip()
        }
        guard index + 1 < configuration.levels.count else { return }
        stages.append(
            .downsample(
                try (place / "downsamplers" / 0 / "conv").convolution(
                    inputs: channels, outputs: channels, kernel: 3, stride: 2, padding: Padding(1))))
        keepSkip()
    }

    private mutating func addMiddle(_ place: Parameters) throws {
        let level = configuration.levels[configuration.levels.count - 1]
        try addResidual(place / "resnets" / 0, outputs: level.channels)
        try addTransformer(place / "attentions" / 0, level)
        try addResidual(place / "resnets" / 1, outputs: level.channels)
    }

    private mutating func addUp(_ level: UNetConfiguration.Level, _ index: Int, _ place: Parameters) throws {
        for layer in 0...level.layers {
            stages.append(.joinSkip)
            channels += skips.removeLast()
            try addResidual(place / "resnets" / layer, outputs: level.channels)
            if configuration.upHasCrossAttention[index] { try addTransformer(place / "attentions" / layer, level) }
        }
        guard index + 1 < configuration.levels.count else { return }
        stages.append(
            .upsample(
                try (place / "upsamplers" / 0 / "conv").convolution(inputs: channels, outputs: channels, kernel: 3, padding: Padding(1))))
    }

    private mutating func keepSkip() {
        stages.append(.keepSkip)
        skips.append(channels)
    }

    private mutating func addResidual(_ place: Parameters, outputs: Int) throws {
        stages.append(
            .residual(
                try ResidualBlock(
                    place, inputs: channels, outputs: outputs, timeWidth: 4 * configuration.levels[0].channels,
                    groups: configuration.groups, epsilon: configuration.epsilon)))
        channels = outputs
    }

    private mutating func addTransformer(_ place: Parameters, _ level: UNetConfiguration.Level) throws {
        stages.append(
            .transformer(
                try SpatialTransformer(
                    place, channels: channels, heads: level.heads, depth: level.transformerDepth,
                    contextWidth: configuration.contextWidth, groups: configuration.groups,
                    linearProjection: configuration.linearProjection)))
    }
}
