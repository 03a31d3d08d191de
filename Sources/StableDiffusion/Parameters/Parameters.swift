// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// A place in a tree of named weights, such as `down_blocks.0.resnets.1`: layers are made from what stands there.
package struct Parameters {
    private let source: any ParameterSource
    private let path: String
    /// How the layers made from here multiply.
    package let precision: ProductPrecision

    package init(_ source: any ParameterSource, path: String = "", precision: ProductPrecision = .f32) {
        self.source = source
        self.path = path
        self.precision = precision
    }

    /// The place `component` below this one.
    package static func / (parent: Parameters, component: String) -> Parameters {
        Parameters(
            parent.source, path: parent.path.isEmpty ? component : parent.path + "." + component, precision: parent.precision)
    }

    package static func / (parent: Parameters, index: Int) -> Parameters { parent / String(index) }

    /// The same place, for layers that multiply and keep in f32.
    package var inF32: Parameters { Parameters(source, path: path) }

    package func holds(_ name: String) -> Bool { source.holds((self / name).path) }

    package func tensor(_ name: String, _ shape: [Int]) throws -> Tensor { try source.tensor((self / name).path, shape: shape) }

    /// A weight [outputs, inputs] or [outputs, inputs, kernelHeight, kernelWidth], left where it lies.
    package func weight(_ name: String, _ shape: [Int]) throws -> Weight { try source.weight((self / name).path, shape: shape) }

    /// `weight` [outputs, inputs] and `bias` [outputs] of this place.
    package func linear(inputs: Int, outputs: Int, bias: Bool = true) throws -> Linear {
        try Linear(weight: weight("weight", [outputs, inputs]), bias: bias ? tensor("bias", [outputs]) : nil, precision: precision)
    }

    /// A 1x1 convolution read as a linear layer over channels: `weight` [outputs, inputs, 1, 1].
    package func pointwise(inputs: Int, outputs: Int) throws -> Linear {
        try Linear(weight: weight("weight", [outputs, inputs, 1, 1]), bias: tensor("bias", [outputs]), precision: precision)
    }

    /// `weight` [outputs, inputs, kernel, kernel] and `bias`.
    package func convolution(inputs: Int, outputs: Int, kernel: Int, stride: Int = 1, padding: Padding) throws -> Convolution {
        try Convolution(
            weight: weight("weight", [outputs, inputs, kernel, kernel]), bias: tensor("bias", [outputs]), stride: stride, padding: padding,
            precision: precision)
    }

    package func groupNorm(channels: Int, groups: Int, epsilon: Float, activation: Activation = .none) throws -> GroupNorm {
        try GroupNorm(
            weight: tensor("weight", [channels]), bias: tensor("bias", [channels]), groups: groups, epsilon: epsilon,
            activation: activation, precision: precision)
    }

    package func layerNorm(width: Int, epsilon: Float) throws -> LayerNorm {
        try LayerNorm(weight: tensor("weight", [width]), bias: tensor("bias", [width]), epsilon: epsilon, precision: precision)
    }
}
