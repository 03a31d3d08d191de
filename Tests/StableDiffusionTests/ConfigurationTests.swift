// SPDX-License-Identifier: Apache-2.0
import StableDiffusion
import Tensors
import Testing

struct ConfigurationTests {
    struct Change: Sendable, CustomTestStringConvertible {
        let file: String, key: String, json: String
        /// What the error must say besides file and key.
        let says: String
        var testDescription: String { "\(file) \(key) = \(json)" }
    }

    private static func unet(_ key: String, _ json: String, _ says: String = "") -> Change {
        Change(file: "unet/config.json", key: key, json: json, says: says)
    }

    private static func autoencoder(_ key: String, _ json: String, _ says: String = "") -> Change {
        Change(file: "vae/config.json", key: key, json: json, says: says)
    }

    private static func text(_ key: String, _ json: String, _ says: String = "") -> Change {
        Change(file: "text_encoder/config.json", key: key, json: json, says: says)
    }

    private static func scheduler(_ key: String, _ json: String, _ says: String = "") -> Change {
        Change(file: "scheduler/scheduler_config.json", key: key, json: json, says: says)
    }

    @Test(arguments: [
        unet("act_fn", "\"mish\"", "mish"), unet("addition_embed_type", "\"text_time\"", "text_time"),
        unet("class_embed_type", "\"timestep\""),
        unet("down_block_types", "[\"CrossAttnDownBlock2D\", \"AttnDownBlock2D\", \"DownBlock2D\", \"DownBlock2D\"]", "AttnDownBlock2D"),
        unet("up_block_types", "[\"UpBlock2D\", \"UpBlock2D\", \"UpBlock2D\", \"SkipUpBlock2D\"]", "SkipUpBlock2D"),
        unet("down_block_types", "[\"DownBlock2D\"]"), unet("down_block_types", "[1, 2, 3, 4]"), unet("down_block_types", "null"),
        unet("block_out_channels", "\"many\""), unet("block_out_channels", "[8, 16, 16, -16]"), unet("block_out_channels", "[]"),
        unet("block_out_channels", "null", "missing"), unet("in_channels", "9", "inpainting"), unet("out_channels", "8"),
        unet("norm_num_groups", "3"), unet("norm_num_groups", "0"), unet("attention_head_dim", "3", "heads"),
        unet("attention_head_dim", "[4, 4]"), unet("attention_head_dim", "0"), unet("layers_per_block", "0"),
        unet("layers_per_block", "2.5"),
        unet("layers_per_block", "1e9"), unet("layers_per_block", "99999999999999999999"), unet("cross_attention_dim", "[16, 16]"),
        unet("cross_attention_dim", "null", "missing"), unet("norm_eps", "\"small\""), unet("flip_sin_to_cos", "1", "true or false"),
        unet("mid_block_type", "\"UNetMidBlock2D\""), unet("conv_in_kernel", "5"), unet("time_embedding_type", "\"fourier\""),
        unet("resnet_time_scale_shift", "\"scale_shift\""), unet("only_cross_attention", "[true, true, true, true]"),
        autoencoder("latent_channels", "16", "16"), autoencoder("shift_factor", "0.1"), autoencoder("latents_mean", "[0, 0, 0, 0]"),
        autoencoder("mid_block_add_attention", "false"), autoencoder("norm_num_groups", "5"), autoencoder("layers_per_block", "65"),
        autoencoder(
            "down_block_types", "[\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"AttnDownEncoderBlock2D\"]"),
        autoencoder("scaling_factor", "\"1\"", "a number"), autoencoder("use_quant_conv", "\"yes\""),
        text("hidden_act", "\"relu\"", "quick_gelu"), text("hidden_act", "\"silu\""), text("hidden_act", "\"none\""),
        text("num_attention_heads", "3"),
        text("vocab_size", "-1"), text("vocab_size", "null", "missing"), text("hidden_size", "16.5"), text("num_hidden_layers", "201"),
        text("layer_norm_eps", "true"), text("max_position_embeddings", "0"),
        scheduler("prediction_type", "\"sample\"", "epsilon"), scheduler("prediction_type", "1"),
        scheduler("beta_schedule", "\"squaredcos_cap_v2\"", "scaled_linear"), scheduler("beta_start", "-0.1"), scheduler("beta_end", "1"),
        scheduler("beta_end", "0.00001"), scheduler("rescale_betas_zero_snr", "true"), scheduler("trained_betas", "[0.1, 0.2]"),
        scheduler("num_train_timesteps", "1"), scheduler("num_train_timesteps", "1000000000"), scheduler("steps_offset", "-1"),
    ])
    func whatTheEngineDoesNotKnowIsAnErrorThatNamesFileAndKey(_ change: Change) throws {
        let copy = try ModelCopy(of: "sd1")
        try copy.set(change.file, change.key, to: change.json)
        let key =
            ["norm_num_groups", "attention_head_dim", "num_attention_heads", "beta_start", "beta_end"].contains(change.key)
            ? "" : change.key
        expectOneLine(["\(copy.path)/\(change.file): ", key, change.says]) { try ModelFixtures.loadAll(copy.path) }
    }

    @Test func configurationsSayWhatTheFilesSay() throws {
        let unet = try ModelFixtures.model("sd2").unetConfiguration()
        #expect(unet.levels.map(\.channels) == [12, 24, 24] && unet.levels.map(\.heads) == [2, 3, 4])
        #expect(unet.levels.map(\.transformerDepth) == [1, 2, 1] && unet.levels.map(\.hasCrossAttention) == [true, true, false])
        #expect(unet.upHasCrossAttention == [false, true, true] && unet.linearProjection && !unet.flipSinToCos && unet.frequencyShift == 1)
        let text = try ModelFixtures.model("sd1").textEncoderConfiguration()
        #expect(
            text.vocabularySize == 120 && text.width == 16 && text.layers == 2 && text.maximumLength == 77 && text.activation == .quickGELU)
        let autoencoder = try ModelFixtures.model("sd1").autoencoderConfiguration()
        #expect(autoencoder.reduction == 8 && autoencoder.scalingFactor == 0.18215 && autoencoder.hasQuantConvolution)
    }
}
