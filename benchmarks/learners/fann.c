/* The C library FANN, online training: tanh units, its squared error, momentum.
 *
 *   fann N_ROWS N_INPUTS HIDDEN N_OUTPUTS RATE MOMENTUM N_EPOCHS STEPWISE SHUFFLE < examples
 *
 * HIDDEN: the units of the hidden layers, such as 64,64. Examples: float32, N_INPUTS inputs and N_OUTPUTS targets of each row. Prints: seconds updates mean_squared_error.
 * The first epoch is not timed.
 */
#include <floatfann.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_LAYERS 16

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 10) return 2;
    unsigned n_rows = atoi(argv[1]), n_inputs = atoi(argv[2]), n_outputs = atoi(argv[4]);
    unsigned sizes[MOST_LAYERS] = {n_inputs}, n_layers = 1;
    for (char *units = strtok(argv[3], ","); units && n_layers < MOST_LAYERS - 1; units = strtok(NULL, ","))
        sizes[n_layers++] = atoi(units);
    sizes[n_layers++] = n_outputs;
    int n_epochs = atoi(argv[7]), stepwise = atoi(argv[8]), shuffle = atoi(argv[9]);

    struct fann_train_data *data = fann_create_train(n_rows, n_inputs, n_outputs);
    for (unsigned row = 0; row < n_rows; row++)
        if (fread(data->input[row], sizeof(float), n_inputs, stdin) != n_inputs ||
            fread(data->output[row], sizeof(float), n_outputs, stdin) != n_outputs)
            return 1;

    enum fann_activationfunc_enum tanh_units = stepwise ? FANN_SIGMOID_SYMMETRIC_STEPWISE : FANN_SIGMOID_SYMMETRIC;
    struct fann *network = fann_create_standard_array(n_layers, sizes);
    fann_set_activation_function_hidden(network, tanh_units);
    fann_set_activation_function_output(network, tanh_units);
    fann_set_activation_steepness_hidden(network, 1.0f);
    fann_set_activation_steepness_output(network, 1.0f);
    fann_set_training_algorithm(network, FANN_TRAIN_INCREMENTAL);
    fann_set_train_error_function(network, FANN_ERRORFUNC_LINEAR);
    fann_set_learning_rate(network, atof(argv[5]));
    fann_set_learning_momentum(network, atof(argv[6]));

    double start = 0;
    for (int epoch = 0; epoch <= n_epochs; epoch++) {
        if (epoch == 1) start = now();
        if (shuffle) fann_shuffle_train_data(data);
        for (unsigned row = 0; row < n_rows; row++) fann_train(network, data->input[row], data->output[row]);
    }
    double seconds = now() - start;
    printf("%.9f %u %.9f\n", seconds, n_epochs * n_rows, fann_test_data(network, data));
    return 0;
}
