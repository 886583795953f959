"""Keras models: their parameters by Ember's names and in Ember's layouts, and their gradients."""

import keras
import numpy as np
import tensorflow as tf


def use(dtype):
    """Layers made from now on compute in this type."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def to_ember(layer, array):
    """HWIO to OHWI, (h,w,C,1) to (h,w,C), (in,out) to (out,in); vectors stay."""
    if array.ndim == 4:
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        return array[..., 0] if depthwise else array.transpose(3, 0, 1, 2)
    return array.T


def from_ember(layer, array):
    if array.ndim == 4:
        return array.transpose(1, 2, 3, 0)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return array[..., None] if depthwise and array.ndim == 3 else array.T


def variables(model, trainable_only=False):
    """Name "layer/variable" to (layer, Keras variable)."""
    return {
        f"{layer.name}/{variable.name}": (layer, variable)
        for layer in model.layers
        for variable in (layer.trainable_variables if trainable_only else layer.weights)
    }


def shapes(model):
    """Name to shape in Ember's layout."""
    named = variables(model).items()
    return {name: to_ember(layer, np.empty(v.shape, bool)).shape for name, (layer, v) in named}


def assign(model, parameters):
    for name, (layer, variable) in variables(model).items():
        variable.assign(from_ember(layer, parameters[name]))


def parameters_of(model):
    named = variables(model).items()
    return {name: to_ember(layer, v.numpy()) for name, (layer, v) in named}


def backward(model, x, dy_of_shape, training):
    """Returns y, dx and the gradient of each trainable variable by name, dy = dy_of_shape(y's)."""
    named = variables(model, trainable_only=True)
    x = tf.constant(x, keras.config.floatx())
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x, training=training)
    dy = tf.constant(dy_of_shape(y.shape), y.dtype)
    dx, *gradients = tape.gradient(y, [x, *(v.value for _, v in named.values())], dy)
    by_name = {
        name: to_ember(layer, gradient.numpy())
        for (name, (layer, _)), gradient in zip(named.items(), gradients)
    }
    return y.numpy(), dx.numpy(), by_name
